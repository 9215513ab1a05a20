//! Walking a directory tree, a slice at a time, so that hints are handled in between.

use std::{ffi::CStr, io, path::Path, sync::Arc};

use rustix::fs::{CWD, Dir, FileType, Mode, OFlags};

use super::rules::{Role, Rules};
use crate::{
    arrival::{Identity, Kind, RelPath, Sample},
    stat,
};

/// One walk over one or more places of a root.
#[derive(Debug)]
pub(crate) struct Walk {
    root: Arc<Path>,
    places: Vec<RelPath>,
    todo: Vec<RelPath>,
    open: Option<OpenDir>,
}

#[derive(Debug)]
struct OpenDir {
    rel: RelPath,
    dir: Dir,
    identity: Identity,
}

/// Selected regular files of one directory.
#[derive(Debug)]
pub(crate) struct Slice {
    /// What a version is made of in this directory.
    pub(crate) identity: Identity,
    /// The files.
    pub(crate) files: Vec<(RelPath, Sample)>,
}

impl Walk {
    /// A walk over `places` and everything below them.
    pub(crate) fn over(root: Arc<Path>, places: impl IntoIterator<Item = RelPath>) -> Self {
        let mut roots: Vec<RelPath> = Vec::new();
        // Sorted order puts a directory before what lies below it.
        for place in places {
            if !roots.iter().any(|root| place.is_within(root)) {
                roots.push(place);
            }
        }
        let todo = roots.iter().rev().cloned().collect();
        Self { root, places: roots, todo, open: None }
    }

    /// Whether it covers the whole root.
    pub(crate) fn is_whole(&self) -> bool {
        self.places.iter().any(RelPath::is_root)
    }

    /// Where it started.
    pub(crate) fn into_places(self) -> Vec<RelPath> {
        self.places
    }

    /// Whether a directory is open and has more to read.
    pub(crate) fn is_reading(&self) -> bool {
        self.open.is_some()
    }

    /// The next directory to enter, which must be armed first; `None` when the walk has ended.
    pub(crate) fn next_dir(&mut self) -> Option<RelPath> {
        self.todo.pop()
    }

    /// Opens a directory for reading.
    pub(crate) fn enter(&mut self, rel: RelPath) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        // The root may be a symbolic link that the operator configured; nothing below it may.
        let flags = if rel.is_root() { flags } else { flags | OFlags::NOFOLLOW };
        let fd = rustix::fs::openat(CWD, rel.under(&self.root), flags, Mode::empty())?;
        let identity = stat::policy(&fd)?.identity;
        self.open = Some(OpenDir { rel, dir: Dir::new(fd)?, identity });
        Ok(())
    }

    /// Reads on, at most `entries_max` entries; directories among them are kept for later.
    pub(crate) fn read(
        &mut self,
        rules: &Rules<'_>,
        entries_max: usize,
    ) -> Result<Slice, (RelPath, io::Error)> {
        let Some(mut open) = self.open.take() else {
            return Ok(Slice { identity: Identity::Inode, files: Vec::new() });
        };
        let mut files = Vec::new();
        for _ in 0..entries_max {
            let Some(entry) = open.dir.read() else {
                return Ok(Slice { identity: open.identity, files });
            };
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => return Err((open.rel, error.into())),
            };
            match look(&open, entry.file_name(), entry.file_type(), rules) {
                Some(Look::Dir(rel)) => self.todo.push(rel),
                Some(Look::File(rel, sample)) => files.push((rel, sample)),
                None => {}
            }
        }
        let identity = open.identity;
        self.open = Some(open);
        Ok(Slice { identity, files })
    }
}

enum Look {
    Dir(RelPath),
    File(RelPath, Sample),
}

/// Judges one entry; stats it only when its name and type leave that open.
fn look(open: &OpenDir, name: &CStr, hint: FileType, rules: &Rules<'_>) -> Option<Look> {
    let bytes = name.to_bytes();
    if matches!(bytes, b"." | b"..") {
        return None;
    }
    let rel = open.rel.join(bytes);
    match hint {
        FileType::Directory => return rules.enters(&rel).then_some(Look::Dir(rel)),
        FileType::RegularFile | FileType::Unknown => {}
        _ => return None,
    }
    let candidate = rules.role(&rel) == Role::Candidate;
    if !candidate && hint == FileType::RegularFile {
        return None;
    }
    // It may have gone since readdir; then there is nothing to tell.
    let sample = stat::entry_at(open.dir.fd().ok()?, name).ok()?;
    match sample.kind {
        Kind::Dir => rules.enters(&rel).then_some(Look::Dir(rel)),
        Kind::File => {
            (candidate && rules.takes_size(sample.size)).then_some(Look::File(rel, sample))
        }
        Kind::Symlink | Kind::Other => None,
    }
}
