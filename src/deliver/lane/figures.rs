//! What others may know about a lane.

use std::time::Instant;

use super::Lane;

impl Lane {
    /// The events that the journal must not hand out again.
    pub fn held(&self) -> Vec<i64> {
        let queued = self.queue.iter().map(|due| due.seq);
        let running = self.running.iter().filter(|r| r.due.is_some()).map(|r| r.seq);
        queued.chain(running).chain(self.concluding.iter().copied()).collect()
    }

    /// Whether the receiver wants nothing more.
    pub fn is_parked(&self) -> bool {
        self.parked
    }

    /// Whether the endpoint counts as down.
    pub fn is_failing(&self) -> bool {
        self.breaker.is_open()
    }

    /// Whether nothing may start for a while.
    pub fn is_paused(&self, now: Instant) -> bool {
        self.pace.paused(now).is_some()
    }

    /// Requests under way.
    pub fn in_flight(&self) -> usize {
        self.running.len()
    }

    /// Events loaded and not started.
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Ends that are not yet on stable storage.
    pub fn concluding(&self) -> usize {
        self.concluding.len()
    }
}
