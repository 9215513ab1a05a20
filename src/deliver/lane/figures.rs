//! What others may know about a lane.

use std::time::Instant;

use super::Lane;

impl Lane {
    /// The events that the journal must not hand out again.
    pub fn held(&self) -> Vec<i64> {
        let queued = self.queue.iter().map(|due| due.seq);
        queued.chain(self.busy()).collect()
    }

    /// The events that are being sent, and those whose end is not stored.
    pub fn busy(&self) -> Vec<i64> {
        let running = self.running.iter().filter(|r| r.due.is_some()).map(|r| r.seq);
        running.chain(self.concluding.iter().copied()).collect()
    }

    /// Whether the receiver wants nothing more.
    pub fn is_parked(&self) -> bool {
        self.parked
    }

    /// Whether the endpoint counts as down.
    pub fn is_failing(&self) -> bool {
        self.breaker.is_open()
    }

    /// Until when nothing may start, if that is so.
    pub fn paused_until(&self, now: Instant) -> Option<Instant> {
        self.pace.paused(now)
    }

    /// When an endpoint that counts as down is asked again; `None` while it is being asked.
    pub fn next_probe(&self) -> Option<Instant> {
        self.breaker.next_probe()
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
