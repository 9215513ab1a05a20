//! Reading directories: the only file that calls readdir(3).

use std::{io, path::Path};

use rustix::fs::{CWD, Dir, DirEntry, FileType, Mode, OFlags};

use crate::{
    arrival::{Kind, Sample},
    filesystem::Policy,
    stat,
};

/// An open directory.
#[derive(Debug)]
pub(crate) struct Directory {
    dir: Dir,
    policy: Policy,
}

/// One entry of it, as listed: it may have gone meanwhile.
#[derive(Debug)]
pub(crate) struct Entry(DirEntry);

impl Directory {
    /// Opens the directory at `path`; `follow`: also through a symbolic link.
    pub(crate) fn open(path: &Path, follow: bool) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let flags = if follow { flags } else { flags | OFlags::NOFOLLOW };
        let fd = rustix::fs::openat(CWD, path, flags, Mode::empty())?;
        let policy = stat::policy(&fd)?;
        Ok(Self { dir: Dir::new(fd)?, policy })
    }

    /// What to expect of the file system that holds it.
    pub(crate) fn policy(&self) -> Policy {
        self.policy
    }

    /// The next entry, itself and its parent left out; `None` at the end.
    pub(crate) fn next_entry(&mut self) -> Option<io::Result<Entry>> {
        loop {
            match self.dir.read()? {
                Ok(entry) if matches!(entry.file_name().to_bytes(), b"." | b"..") => {}
                Ok(entry) => return Some(Ok(Entry(entry))),
                Err(error) => return Some(Err(error.into())),
            }
        }
    }

    /// How the entry looks now, a symbolic link not followed.
    pub(crate) fn sample(&self, entry: &Entry) -> io::Result<Sample> {
        stat::entry_at(self.dir.fd()?, entry.0.file_name())
    }
}

impl Entry {
    /// Its name.
    pub(crate) fn name(&self) -> &[u8] {
        self.0.file_name().to_bytes()
    }

    /// What it is, where the file system says so while listing (readdir(3), `d_type`).
    pub(crate) fn kind(&self) -> Option<Kind> {
        Some(match self.0.file_type() {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Dir,
            FileType::Symlink => Kind::Symlink,
            FileType::Unknown => return None,
            _ => Kind::Other,
        })
    }
}
