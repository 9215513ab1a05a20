//! Looking at a file whose quiet period has passed: has it stayed as it was, and is a writer left?

use std::{io, os::fd::AsFd, path::Path};

use rustix::{
    fs::{CWD, Mode, OFlags},
    io::Errno,
};

use super::{
    lease::{self, Writer},
    tracker::Outcome,
};
use crate::{
    arrival::{Kind, Sample},
    filesystem::Policy,
    stat,
};

/// Looks at `path`. `lease` says whether the root's file system may be asked for writers.
pub(crate) fn look(path: &Path, before: Option<&Sample>, policy: Policy, lease: bool) -> Outcome {
    let found =
        if lease && policy.lease { open_and_ask(path, before) } else { stat_only(path, policy) };
    found.unwrap_or_else(|error| {
        if stat::is_absence(&error) { Outcome::Gone } else { Outcome::Unclear(error) }
    })
}

/// One open answers everything from the same inode: how it looks now, and who writes it.
fn open_and_ask(path: &Path, before: Option<&Sample>) -> io::Result<Outcome> {
    // NONBLOCK: a FIFO must not hang us, and another process's lease (Samba) must not keep us waiting for
    // its break time (fcntl(2), lease-break-time).
    let flags =
        OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NOCTTY;
    let fd = match rustix::fs::openat(CWD, path, flags, Mode::empty()) {
        Ok(fd) => fd,
        Err(Errno::WOULDBLOCK) => return Ok(Outcome::Writing),
        Err(Errno::LOOP | Errno::NXIO) => return Ok(Outcome::NotAFile),
        // The name is enough to announce it; only the writer cannot be asked for.
        Err(Errno::ACCESS | Errno::PERM) => {
            return stat_only(path, stat::place_policy(path)?);
        }
        Err(error) => return Err(error.into()),
    };
    let sample = stat::opened(&fd)?;
    if sample.kind != Kind::File {
        return Ok(Outcome::NotAFile);
    }
    let policy = stat::policy(&fd)?;
    // Not worth a question when it has changed: the quiet period starts again anyway.
    let writer = if before == Some(&sample) && policy.lease {
        lease::writer_of(fd.as_fd())
    } else {
        Writer::Unknown
    };
    Ok(match writer {
        Writer::Present => Outcome::Writing,
        Writer::None => Outcome::Looked { sample, identity: policy.identity, asked: true },
        Writer::Unknown => Outcome::Looked { sample, identity: policy.identity, asked: false },
    })
}

fn stat_only(path: &Path, policy: Policy) -> io::Result<Outcome> {
    let sample = stat::entry(path)?;
    Ok(match sample.kind {
        Kind::File => Outcome::Looked { sample, identity: policy.identity, asked: false },
        _ => Outcome::NotAFile,
    })
}
