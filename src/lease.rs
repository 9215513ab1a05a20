//! Asking the kernel whether anybody has a file open for writing: take a read lease, give it back at once.
//!
//! fcntl(2): a read lease is granted only while no process has the file open for writing, a writable
//! mapping included. While it is held a writer's open waits, so it is never kept: the file is closed with the
//! next call, and that drops it.
//! A writer that opens within that window makes the kernel send us SIGIO, whose default is death: the
//! daemon takes that signal before the first probe.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd},
    path::Path,
};

use rustix::{
    fs::{CWD, Mode, OFlags},
    io::Errno,
};

use crate::{
    arrival::{Kind, Sample},
    stat,
};

/// What one open of a file told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Somebody has it open for writing.
    Writing,
    /// A regular file that looks like this.
    File {
        /// How it looks now.
        sample: Sample,
        /// Whether the kernel said that nobody writes it. It is not asked about a file that has changed.
        unwritten: bool,
    },
    /// No regular file.
    NotAFile,
    /// It may not be opened: nobody can be asked.
    Forbidden,
}

/// Opens `path` and asks who writes it, if it still looks as it did `before`. One open answers everything
/// from the same inode.
pub(crate) fn ask(path: &Path, before: Option<&Sample>) -> io::Result<Asked> {
    // NONBLOCK: a FIFO must not hang us, and another process's lease (Samba) must not keep us waiting for
    // its break time (fcntl(2), lease-break-time).
    let flags =
        OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NOCTTY;
    let fd = match rustix::fs::openat(CWD, path, flags, Mode::empty()) {
        Ok(fd) => fd,
        Err(Errno::WOULDBLOCK) => return Ok(Asked::Writing),
        Err(Errno::LOOP | Errno::NXIO) => return Ok(Asked::NotAFile),
        Err(Errno::ACCESS | Errno::PERM) => return Ok(Asked::Forbidden),
        Err(error) => return Err(error.into()),
    };
    let sample = stat::opened(&fd)?;
    if sample.kind != Kind::File {
        return Ok(Asked::NotAFile);
    }
    if before != Some(&sample) || !stat::policy(&fd)?.lease {
        return Ok(Asked::File { sample, unwritten: false });
    }
    Ok(match writer_of(fd.as_fd()) {
        Writer::Present => Asked::Writing,
        Writer::None => Asked::File { sample, unwritten: true },
        Writer::Unknown => Asked::File { sample, unwritten: false },
    })
}

/// What the kernel said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writer {
    /// Nobody has the file open for writing.
    None,
    /// Somebody has.
    Present,
    /// The kernel would not say: not our file and no `CAP_LEASE`, or a file system without leases.
    Unknown,
}

/// Whether a writer has the file behind `fd` open; `fd` must be open for reading only, and be closed next.
fn writer_of(fd: BorrowedFd<'_>) -> Writer {
    match lease(fd, libc::F_RDLCK) {
        Ok(()) => Writer::None,
        Err(libc::EAGAIN) => Writer::Present,
        Err(_) => Writer::Unknown,
    }
}

/// No kept crate wraps `F_SETLEASE` (rustix 1.1 and nix 0.31 do not).
#[expect(
    unsafe_code,
    reason = "fcntl is called with an open descriptor and an integer; no memory is shared"
)]
fn lease(fd: BorrowedFd<'_>, kind: libc::c_int) -> Result<(), libc::c_int> {
    // SAFETY: `fd` is open for the whole call, and F_SETLEASE takes its argument by value.
    let answer = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETLEASE, kind) };
    if answer == 0 {
        return Ok(());
    }
    Err(io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO))
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn what_is_no_regular_file_is_never_asked_about() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("/", &link).unwrap();
        assert_eq!(ask(&link, None).unwrap(), Asked::NotAFile);
        assert_eq!(ask(dir.path(), None).unwrap(), Asked::NotAFile);
        let error = ask(&dir.path().join("missing"), None).unwrap_err();
        assert!(stat::is_absence(&error), "{error}");
    }

    #[test]
    fn a_file_that_has_changed_is_told_as_it_is_without_a_question() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let writer = File::create(&path).unwrap();
        let before = stat::entry(&path).unwrap();
        writer.set_len(7).unwrap();
        let sample = stat::entry(&path).unwrap();
        let now = Asked::File { sample, unwritten: false };
        assert_eq!(ask(&path, Some(&before)).unwrap(), now, "written to, but not asked about");
    }

    #[test]
    fn a_writer_is_seen_until_it_closes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let writer = File::create(&path).unwrap();
        let sample = stat::entry(&path).unwrap();
        if stat::place_policy(dir.path()).unwrap().lease {
            assert_eq!(ask(&path, Some(&sample)).unwrap(), Asked::Writing);
        }
        drop(writer);
        let after = ask(&path, Some(&sample)).unwrap();
        assert!(matches!(after, Asked::File { sample: now, .. } if now == sample), "{after:?}");
    }
}
