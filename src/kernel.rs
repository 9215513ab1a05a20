//! Kernel events as hints: the only file that names `notify`.
//!
//! One watcher per watch (an inotify instance and a thread), so that a root whose directories hang in the
//! kernel stalls itself only. Only non-recursive watches: `notify`'s own recursion loses files that are
//! made in a directory before its watch is there (measured: up to 500 of 500).

use std::{io, path::Path, sync::Arc};

use notify::{
    Config, EventKind, EventKindMask, INotifyWatcher, RecursiveMode, Watcher,
    event::{AccessKind, CreateKind, Flag, ModifyKind, RemoveKind, RenameMode},
};

use crate::arrival::RelPath;

/// One thing that may have happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hint {
    /// Something happened to a regular file.
    File(RelPath),
    /// Something happened to an entry of unknown kind.
    Entry(RelPath),
    /// A directory appeared: its content may be older than our watch on it.
    Dir(RelPath),
    /// An entry went away, or moved out. Another one may have its name by now.
    Gone(RelPath),
    /// What the root's path means may have changed.
    Root,
    /// The kernel lost events: only a scan of everything tells what they were.
    Lost,
}

/// The kernel's view of one root.
pub(crate) struct Kernel {
    watcher: INotifyWatcher,
    root: Arc<Path>,
}

/// Why a directory is not watched.
#[derive(Debug)]
pub(crate) enum NotArmed {
    /// The user's limit of watches is used up (`fs.inotify.max_user_watches`).
    WatchLimit,
    /// The directory is not there (any more).
    Missing,
    /// Anything else, permissions above all.
    Io(io::Error),
}

impl Kernel {
    /// A watcher that tells `note` what it hears; `note` must not wait. Fails when the user's limit of
    /// inotify instances is used up (`fs.inotify.max_user_instances`).
    pub(crate) fn new(root: Arc<Path>, note: impl Fn(Hint) + Send + 'static) -> io::Result<Self> {
        // No MODIFY and no OPEN: nothing fires per write, and our own probe does not wake us. That is four
        // times the burst that fits the kernel's queue (measured).
        let kinds = EventKindMask::CREATE
            | EventKindMask::REMOVE
            | EventKindMask::MODIFY_NAME
            | EventKindMask::MODIFY_META
            | EventKindMask::ACCESS_CLOSE;
        let seen_from = Arc::clone(&root);
        let callback = move |event: notify::Result<notify::Event>| match event {
            Ok(event) => hints(&seen_from, event, &note),
            Err(_) => note(Hint::Lost),
        };
        let config = Config::default().with_event_kinds(kinds);
        let watcher = INotifyWatcher::new(callback, config).map_err(into_io)?;
        Ok(Self { watcher, root })
    }

    /// Watches `dir`; does nothing if it is watched already.
    pub(crate) fn arm(&mut self, dir: &RelPath) -> Result<(), NotArmed> {
        let path = dir.under(&self.root);
        self.watcher.watch(&path, RecursiveMode::NonRecursive).map_err(|e| match e.kind {
            notify::ErrorKind::MaxFilesWatch => NotArmed::WatchLimit,
            notify::ErrorKind::PathNotFound => NotArmed::Missing,
            _ => NotArmed::Io(into_io(e)),
        })
    }

    /// Stops watching `dir`. That it was not watched any more is no error: the kernel drops the watch of
    /// a directory that is removed.
    pub(crate) fn disarm(&mut self, dir: &RelPath) {
        let _gone_already = self.watcher.unwatch(&dir.under(&self.root));
    }
}

fn into_io(error: notify::Error) -> io::Error {
    match error.kind {
        notify::ErrorKind::Io(error) => error,
        kind => io::Error::other(format!("{kind:?}")),
    }
}

/// Runs on the watcher's thread, which also serves `arm`: it must never wait for anybody.
fn hints(root: &Path, event: notify::Event, note: impl Fn(Hint)) {
    // An overflow names no path, so it has to be asked for before the paths are looked at.
    if event.flag() == Some(Flag::Rescan) {
        return note(Hint::Lost);
    }
    let shape: fn(RelPath) -> Hint = match event.kind {
        EventKind::Create(CreateKind::Folder) => Hint::Dir,
        EventKind::Create(_) | EventKind::Access(AccessKind::Close(_)) => Hint::File,
        EventKind::Modify(ModifyKind::Metadata(_) | ModifyKind::Name(RenameMode::To)) => {
            Hint::Entry
        }
        EventKind::Modify(ModifyKind::Name(RenameMode::From))
        | EventKind::Remove(RemoveKind::Folder | RemoveKind::Other) => Hint::Gone,
        // `Both` repeats a From and a To; the removal of a file is found out when somebody looks for it.
        _ => return,
    };
    for path in event.paths {
        if let Some(path) = RelPath::below(root, &path) {
            note(shape(path));
        }
    }
}
