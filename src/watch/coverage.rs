//! Which directories the kernel watches for us, and which it cannot.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::Path,
    sync::Arc,
};

use tracing::{info, warn};

use super::{inbox::Inbox, schedule::Polled};
use crate::{
    arrival::{Name, RelPath},
    kernel::{Kernel, NotArmed},
    stat::DirId,
};

/// The kernel watches of one root. Without a kernel everything is polled.
pub(crate) struct Coverage {
    watch: Name,
    root: Arc<Path>,
    inbox: Arc<Inbox>,
    kernel: Option<Kernel>,
    /// With the directory that each path meant when it was armed.
    armed: BTreeMap<RelPath, DirId>,
    /// Beyond the limit of watches, or refused: polled instead.
    polled: BTreeSet<RelPath>,
    limit_told: bool,
    refusal_told: bool,
    /// Kinds of file systems below the root that were told to have no events.
    kinds_told: BTreeSet<&'static str>,
}

impl Coverage {
    /// Nothing armed yet. With `events`, by kernel events if the kernel has an instance left for us.
    pub(crate) fn new(watch: &Name, root: &Arc<Path>, inbox: &Arc<Inbox>, events: bool) -> Self {
        let mut coverage = Self {
            watch: watch.clone(),
            root: Arc::clone(root),
            inbox: Arc::clone(inbox),
            kernel: None,
            armed: BTreeMap::new(),
            polled: BTreeSet::new(),
            limit_told: false,
            refusal_told: false,
            kinds_told: BTreeSet::new(),
        };
        if events {
            coverage.renew();
        }
        coverage
    }

    /// Forgets everything and takes a fresh instance from the kernel: when it lost events, renames were
    /// among them, and what a kernel watch is called may be wrong by now.
    pub(crate) fn renew(&mut self) {
        // The old instance goes first: the number of them is limited.
        self.kernel = None;
        self.armed.clear();
        self.polled.clear();
        let inbox = Arc::clone(&self.inbox);
        let made = Kernel::new(Arc::clone(&self.root), move |hint| inbox.note(hint));
        self.kernel = made
            .inspect_err(|error| {
                warn!(watch = %self.watch, path = %self.root.display(), %error,
                    "no kernel events, scanning instead; raise fs.inotify.max_user_instances");
            })
            .ok();
    }

    /// Watches `dir` before it is read, so that nothing can land in between unseen. `id` was read before
    /// this call: a path that changes its meaning meanwhile is armed again at the next scan. `again`: also when it
    /// is armed already, for `notify` drops the watch of a directory that took the name of a file when it reads of
    /// that file's removal (9.0.0-rc.7, `queue_watch_removal`), and tells nobody.
    pub(crate) fn arm(&mut self, dir: &RelPath, id: DirId, again: bool) {
        let is_armed = self.is_armed(dir, id);
        if is_armed && !again {
            return;
        }
        if !is_armed {
            // A mount is silent (inotify(7)), and the old watch would shadow the new one.
            self.disarm(dir);
        }
        let Some(kernel) = &mut self.kernel else { return };
        let armed = kernel.arm(dir);
        if armed.is_err() {
            self.armed.remove(dir);
        }
        match armed {
            Ok(()) => {
                self.armed.insert(dir.clone(), id);
            }
            Err(NotArmed::Missing) => {}
            Err(NotArmed::WatchLimit) => self.poll(dir, None),
            Err(NotArmed::Io(error)) => self.poll(dir, Some(&error)),
        }
    }

    /// Scans `dir`, which lies on a file system of this kind: what others change there may cause no events.
    pub(crate) fn rely_on_scans(&mut self, dir: &RelPath, kind: &'static str) {
        if self.kernel.is_none() || self.polled.contains(dir) {
            return;
        }
        // Something was mounted over what was watched.
        self.disarm(dir);
        self.polled.insert(dir.clone());
        if self.kinds_told.insert(kind) {
            info!(watch = %self.watch, path = %dir, filesystem = kind,
                "scanning this directory and all others like it: changes by others may cause no events there");
        }
    }

    /// Says why once, not for each directory and at each scan.
    fn poll(&mut self, dir: &RelPath, refusal: Option<&io::Error>) {
        self.polled.insert(dir.clone());
        if let Some(error) = refusal {
            if !std::mem::replace(&mut self.refusal_told, true) {
                warn!(watch = %self.watch, path = %dir, %error,
                    "cannot watch this directory, scanning it and all others like it instead");
            }
        } else if !std::mem::replace(&mut self.limit_told, true) {
            warn!(watch = %self.watch, path = %dir, armed = self.armed.len(),
                "out of kernel watches, scanning the rest; raise fs.inotify.max_user_watches");
        }
    }

    /// Forgets `dir` and everything below it; true when any of it was armed.
    pub(crate) fn disarm(&mut self, dir: &RelPath) -> bool {
        let below: Vec<RelPath> = self
            .armed
            .range(dir.clone()..)
            .map(|(armed, _)| armed)
            .take_while(|d| d.as_bytes().starts_with(dir.as_bytes()))
            .cloned()
            .collect();
        let mut any = false;
        for gone in below.iter().filter(|d| d.is_within(dir)) {
            if let Some(kernel) = &mut self.kernel {
                kernel.disarm(gone);
            }
            any |= self.armed.remove(gone).is_some();
        }
        self.polled.retain(|d| !d.is_within(dir));
        any
    }

    /// Whether the kernel tells us about exactly this directory.
    pub(crate) fn is_armed(&self, dir: &RelPath, id: DirId) -> bool {
        self.armed.get(dir) == Some(&id)
    }

    /// How many directories the kernel watches.
    pub(crate) fn armed_count(&self) -> usize {
        self.armed.len()
    }

    /// How the root is watched, in one word.
    pub(crate) fn backend(&self) -> &'static str {
        if self.polled() == Polled::Everything { "poll" } else { "events" }
    }

    /// Which part of the root the kernel does not watch.
    pub(crate) fn polled(&self) -> Polled {
        match (&self.kernel, self.polled.is_empty()) {
            (None, _) => Polled::Everything,
            (Some(_), false) => Polled::Some,
            (Some(_), true) => Polled::Nothing,
        }
    }

    /// How many directories [`Polled::Some`] are.
    pub(crate) fn polled_count(&self) -> usize {
        self.polled.len()
    }

    /// Those of them from which a walk reaches all others.
    pub(crate) fn polled_places(&self) -> impl Iterator<Item = &RelPath> {
        self.polled.iter().filter(|dir| dir.is_root() || !self.polled.contains(&dir.parent()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::stat;

    /// A limit that no proof needs.
    const PATIENCE: Duration = Duration::from_mins(1);

    #[test]
    fn a_watch_that_was_dropped_behind_our_back_is_back_with_the_next_scan_of_the_whole() {
        let dir = tempfile::tempdir().unwrap();
        let (root, name): (Arc<Path>, _) = (dir.path().into(), Name::parse("w").unwrap());
        let inbox = Arc::new(Inbox::new(1 << 20));
        let mut coverage = Coverage::new(&name, &root, &inbox, true);
        let (top, id) = (RelPath::root(), stat::dir_id(&root, true).unwrap());
        coverage.arm(&top, id, false);
        coverage.kernel.as_mut().unwrap().disarm(&top);
        // Whatever the kernel told of that has been noted when it answers the next call.
        coverage.arm(&top, id, true);
        assert_eq!((coverage.armed_count(), coverage.polled()), (1, Polled::Nothing));
        let _about_the_root = inbox.take(Duration::ZERO).unwrap();
        std::fs::write(root.join("file"), "").unwrap();
        let batch = inbox.take(PATIENCE).unwrap();
        assert!(batch.files.contains(&RelPath::from_bytes(b"file")), "{batch:?}");
    }
}
