//! Reading the journal without the daemon: a consistent copy of the database and its log.
//!
//! The daemon holds the database exclusively, so commands read a copy. The daemon may write meanwhile: a
//! checkpoint changes the database file, a commit only appends to the log. When the database file and the
//! head of the log were the same before and after copying both, the copy is what some commit left behind.

use std::{
    fs, io,
    io::Read,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use rusqlite::Connection;

use super::{
    look::{self, Detail, Filter, Page, Place},
    store::{self, DATABASE},
};

const TRIES: usize = 20;

/// Why the journal cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// There is none.
    #[error("there is no journal in {}", .0.display())]
    Missing(PathBuf),
    /// It changed during every one of our tries.
    #[error("the journal in {} changes too fast to be copied; try again", .0.display())]
    Busy(PathBuf),
    /// Copying failed.
    #[error("cannot copy the journal in {}: {error}", .path.display())]
    Io {
        /// The state directory.
        path: PathBuf,
        /// What went wrong.
        error: io::Error,
    },
    /// The copy cannot be read as a journal.
    #[error("cannot read the copied journal: {0}")]
    Unreadable(String),
}

impl From<rusqlite::Error> for SnapshotError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Unreadable(error.to_string())
    }
}

/// A private copy of a journal; removed when dropped.
#[derive(Debug)]
pub struct Snapshot {
    db: Connection,
    _dir: PrivateDir,
}

impl Snapshot {
    /// Whether `dir` holds a journal.
    pub fn exists(dir: &Path) -> bool {
        dir.join(DATABASE).is_file()
    }

    /// Copies the journal of the state directory `dir`.
    pub fn take(dir: &Path) -> Result<Self, SnapshotError> {
        let io_error = |error| SnapshotError::Io { path: dir.to_path_buf(), error };
        let source = dir.join(DATABASE);
        if !source.try_exists().map_err(io_error)? {
            return Err(SnapshotError::Missing(dir.to_path_buf()));
        }
        let private = PrivateDir::make().map_err(io_error)?;
        let copy = private.0.join(DATABASE);
        for _ in 0..TRIES {
            let before = Seen::of(&source).map_err(io_error)?;
            fs::copy(&source, &copy).map_err(io_error)?;
            copy_if_there(&store::wal_of(&source), &store::wal_of(&copy)).map_err(io_error)?;
            if Seen::of(&source).map_err(io_error)? == before {
                let db = Connection::open(&copy)
                    .map_err(|e| SnapshotError::Unreadable(e.to_string()))?;
                return Ok(Self { db, _dir: private });
            }
        }
        Err(SnapshotError::Busy(dir.to_path_buf()))
    }

    /// As [`super::Desk::list`].
    pub fn list(&self, filter: &Filter, after: Place, limit: usize) -> Result<Page, SnapshotError> {
        Ok(look::page(&self.db, filter, after, limit)?)
    }

    /// As [`super::Desk::show`].
    pub fn show(&self, place: Place) -> Result<Option<Detail>, SnapshotError> {
        Ok(look::detail(&self.db, place.seq)?)
    }
}

/// What must not change while we copy: the database file, and the salts in the head of its log.
#[derive(PartialEq, Eq)]
struct Seen {
    size: u64,
    modified: SystemTime,
    log_head: Vec<u8>,
}

impl Seen {
    fn of(database: &Path) -> io::Result<Self> {
        let meta = fs::metadata(database)?;
        let mut log_head = Vec::new();
        match fs::File::open(store::wal_of(database)) {
            Ok(log) => log.take(32).read_to_end(&mut log_head).map(drop)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(Self { size: meta.len(), modified: meta.modified()?, log_head })
    }
}

fn copy_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::copy(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => match fs::remove_file(to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        },
        other => other.map(drop),
    }
}

/// A directory of our own below the temporary one; removed when dropped.
#[derive(Debug)]
struct PrivateDir(PathBuf);

impl PrivateDir {
    fn make() -> io::Result<Self> {
        let base = std::env::temp_dir();
        for n in 0..1000 {
            let dir = base.join(format!("watchd-{}-{n}", std::process::id()));
            match fs::DirBuilder::new().mode(0o700).create(&dir) {
                Ok(()) => return Ok(Self(dir)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

impl Drop for PrivateDir {
    fn drop(&mut self) {
        let _best_effort = fs::remove_dir_all(&self.0);
    }
}
