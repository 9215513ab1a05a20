//! What operators do to a lane. Pure.

use std::time::Instant;

use super::Lane;

impl Lane {
    /// An operator resumed a parked endpoint.
    pub fn resume(&mut self, now: Instant) {
        self.parked = false;
        self.pace.restart(now);
    }

    /// An operator sends events again: slowly at first, as after an outage.
    pub fn ease(&mut self, now: Instant) {
        self.pace.restart(now);
    }

    /// The endpoint may be another one than before: it is asked at once, slowly at first.
    pub fn renewed(&mut self, now: Instant) {
        self.breaker.hurry(now);
        self.pace.restart(now);
    }

    /// The events that are loaded and not started.
    pub fn waiting(&self) -> Vec<i64> {
        self.queue.iter().map(|due| due.seq).collect()
    }

    /// An operator discarded these.
    pub fn discard(&mut self, gone: &[i64]) {
        self.queue.retain(|due| !gone.contains(&due.seq));
        for seq in gone {
            self.memory.forget(*seq);
        }
    }
}
