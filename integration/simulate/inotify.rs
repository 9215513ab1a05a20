//! The simulated inotify(7): instances with a bounded queue of events, and watches on inodes.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Instant,
};

use crate::{
    arrival::RelPath,
    clock,
    kernel::{Hint, NotArmed},
};

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A file appeared, or a writer closed it.
    File,
    /// A directory appeared.
    NewDir,
    /// An entry moved in, or its attributes changed.
    Entry,
    /// An entry moved out, or a directory was removed.
    Gone,
}

type Note = Box<dyn Fn(Hint) + Send>;

struct Instance {
    note: Note,
    /// What each watched inode was called when the watch was made.
    watches: BTreeMap<u64, RelPath>,
    queue: VecDeque<Hint>,
}

/// All instances of the daemon.
pub(crate) struct Inotify {
    instances: BTreeMap<u64, Instance>,
    next: u64,
    /// `fs.inotify.max_queued_events`.
    pub(crate) queue_max: usize,
    /// `fs.inotify.max_user_watches`.
    pub(crate) watches_max: usize,
    /// While it is set, nobody reads the queues.
    pub(crate) stalled: bool,
    pub(crate) overflows: u64,
    /// When an event about this entry was queued last.
    pub(crate) heard: BTreeMap<(u64, Vec<u8>), Instant>,
}

impl Inotify {
    pub(crate) fn new() -> Self {
        Self {
            instances: BTreeMap::new(),
            next: 1,
            queue_max: 16384,
            watches_max: 8192,
            stalled: false,
            overflows: 0,
            heard: BTreeMap::new(),
        }
    }

    pub(crate) fn open(&mut self, note: Note) -> u64 {
        let (watches, queue) = (BTreeMap::new(), VecDeque::new());
        self.instances.insert(self.next, Instance { note, watches, queue });
        self.next += 1;
        self.next - 1
    }

    pub(crate) fn close(&mut self, instance: u64) {
        self.instances.remove(&instance);
    }

    pub(crate) fn arm(&mut self, instance: u64, ino: u64, dir: &RelPath) -> Result<(), NotArmed> {
        let armed: usize = self.instances.values().map(|i| i.watches.len()).sum();
        let Some(found) = self.instances.get_mut(&instance) else { return Ok(()) };
        if armed >= self.watches_max && !found.watches.contains_key(&ino) {
            return Err(NotArmed::WatchLimit);
        }
        found.watches.insert(ino, dir.clone());
        Ok(())
    }

    pub(crate) fn disarm(&mut self, instance: u64, dir: &RelPath) {
        if let Some(found) = self.instances.get_mut(&instance) {
            found.watches.retain(|_, label| label != dir);
        }
    }

    /// An inode is no more, and the watches on it with it.
    pub(crate) fn dropped(&mut self, ino: u64) {
        for instance in self.instances.values_mut() {
            instance.watches.remove(&ino);
        }
    }

    /// Something happened to the entry `name` of the directory `dir`.
    pub(crate) fn emit(&mut self, dir: u64, name: &[u8], what: What) {
        let is_queued = self.put(dir, |label| match what {
            What::File => Hint::File(label.join(name)),
            What::NewDir => Hint::Dir(label.join(name)),
            What::Entry => Hint::Entry(label.join(name)),
            What::Gone => Hint::Gone(label.join(name)),
        });
        if is_queued {
            self.heard.insert((dir, name.to_vec()), clock::mono());
        }
    }

    /// The file system of an inode was unmounted.
    pub(crate) fn unmounted(&mut self, ino: u64) {
        self.put(ino, |label| Hint::Gone(label.clone()));
        self.dropped(ino);
    }

    /// The attributes of the watched directory itself changed.
    pub(crate) fn emit_self(&mut self, dir: u64) {
        self.put(dir, |label| Hint::Entry(label.clone()));
    }

    fn put(&mut self, dir: u64, hint: impl Fn(&RelPath) -> Hint) -> bool {
        let mut is_queued = false;
        for instance in self.instances.values_mut() {
            let Some(label) = instance.watches.get(&dir) else { continue };
            if instance.queue.len() < self.queue_max {
                instance.queue.push_back(hint(label));
                is_queued = true;
            } else if instance.queue.back() != Some(&Hint::Lost) {
                instance.queue.push_back(Hint::Lost);
                self.overflows += 1;
            }
        }
        is_queued
    }

    /// What the readers of the queues get now, at most `max` events each.
    pub(crate) fn deliver(&mut self, max: usize) -> bool {
        if self.stalled {
            return false;
        }
        let mut any = false;
        for instance in self.instances.values_mut() {
            let count = max.min(instance.queue.len());
            for hint in instance.queue.drain(..count) {
                any = true;
                (instance.note)(hint);
            }
        }
        any
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.instances.values().all(|instance| instance.queue.is_empty())
    }
}
