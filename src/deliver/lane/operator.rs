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

    /// A running event went where this endpoint is no longer: it keeps its turn, and nothing is charged.
    pub fn ask_another(&mut self, seq: i64) {
        let Some(running) = self.running.iter_mut().find(|r| r.seq == seq) else { return };
        let (due, probe) = (running.due.take(), running.probe);
        self.void_probe(probe);
        if let Some(due) = due {
            self.queue.push_front(due);
        }
        self.slot_free(seq);
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
