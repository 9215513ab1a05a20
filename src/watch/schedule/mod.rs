//! What of a root is to be scanned, and when. Pure.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use crate::arrival::RelPath;

/// Places that wait for a scan; beyond that it is the whole root.
const DIRTY_MAX: usize = 4096;

/// A scan may take this part of the time at most.
const SCAN_SHARE: u32 = 100;

/// As `SCAN_SHARE`, where scans are all there is.
const POLL_SHARE: u32 = 4;

/// Least time between scans that are hastened: each costs the journal a commit.
const HASTENED_GAP: Duration = Duration::from_secs(5);

/// How long to leave a journal alone that could not answer.
const JOURNAL_PATIENCE: Duration = Duration::from_secs(2);

/// Which part of a root has to be polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Polled {
    Nothing,
    /// Directories that the kernel does not watch.
    Some,
    /// There are no kernel events.
    Everything,
}

/// How long to wait for descriptors or memory.
const SHORTAGE_PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Schedule {
    poll_interval: Duration,
    rescan_interval: Duration,
    /// Places to scan once the present walk has ended.
    dirty: BTreeSet<RelPath>,
    /// No scan before this: the journal could not answer.
    hold_until: Option<Instant>,
    next_rescan: Instant,
    /// The whole root is wanted before that, and may be scanned from then on.
    hastened: bool,
    may_hasten: Instant,
    next_poll: Instant,
}

impl Schedule {
    /// The whole root is due at once.
    pub(super) fn new(poll_interval: Duration, rescan_interval: Duration, now: Instant) -> Self {
        Self {
            poll_interval,
            rescan_interval,
            dirty: BTreeSet::from([RelPath::root()]),
            hold_until: None,
            next_rescan: now,
            hastened: false,
            may_hasten: now,
            next_poll: now + poll_interval,
        }
    }

    /// Has `dir` scanned, once the present walk has ended.
    pub(super) fn mark(&mut self, dir: RelPath) {
        if self.dirty.len() >= DIRTY_MAX {
            self.dirty = BTreeSet::from([RelPath::root()]);
        } else {
            self.dirty.insert(dir);
        }
    }

    /// This machine was short of something: no event will tell when that is over.
    pub(super) fn again_soon(&mut self, dir: RelPath, now: Instant) {
        self.mark(dir);
        self.hold_until = Some(now + SHORTAGE_PATIENCE);
    }

    /// Something changed that no event tells in full: the whole root is scanned as soon as scans may, by
    /// their share of the time.
    pub(super) fn hasten(&mut self) {
        self.hastened = true;
    }

    fn rescan_at(&self) -> Instant {
        if self.hastened { self.next_rescan.min(self.may_hasten) } else { self.next_rescan }
    }

    /// No scan for a while.
    pub(super) fn hold(&mut self, now: Instant) {
        self.hold_until = Some(now + JOURNAL_PATIENCE);
    }

    pub(super) fn is_held(&self, now: Instant) -> bool {
        self.hold_until.is_some_and(|hold| now < hold)
    }

    /// When there is something to do. `busy`: a walk or a sweep is under way.
    pub(super) fn next_turn(&self, busy: bool, polled: Polled, now: Instant) -> Instant {
        if busy || !self.dirty.is_empty() {
            return self.hold_until.unwrap_or(now).max(now);
        }
        match polled {
            Polled::Nothing => self.rescan_at(),
            Polled::Some | Polled::Everything => self.next_poll.min(self.rescan_at()),
        }
    }

    /// Whether the directories are due that have to be polled one by one; makes the whole root dirty when
    /// that is due. Only between walks.
    pub(super) fn expire(&mut self, polled: Polled, now: Instant) -> bool {
        if now >= self.rescan_at() || (polled == Polled::Everything && now >= self.next_poll) {
            self.mark(RelPath::root());
            return false;
        }
        if now < self.next_poll {
            return false;
        }
        self.next_poll = now + self.poll_interval;
        polled == Polled::Some
    }

    /// The places to scan now.
    pub(super) fn take(&mut self) -> Option<BTreeSet<RelPath>> {
        let places = (!self.dirty.is_empty()).then(|| std::mem::take(&mut self.dirty))?;
        self.hastened &= !places.contains(&RelPath::root());
        Some(places)
    }

    /// A walk has ended that took so long; `whole`: it was over the whole root.
    pub(super) fn ended(&mut self, whole: bool, took: Duration, now: Instant) {
        self.next_poll = now + self.poll_interval.max(took * POLL_SHARE);
        if whole {
            self.next_rescan = now + self.rescan_interval.max(took * SCAN_SHARE);
            self.may_hasten = now + HASTENED_GAP.max(took * SCAN_SHARE);
        }
    }
}

#[cfg(test)]
mod tests;
