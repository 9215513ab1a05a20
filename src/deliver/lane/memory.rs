//! What a lane remembers about events that wait in the journal. Pure.
//!
//! Two things that the journal's count of attempts cannot say: how often an event was refused for its
//! own sake (three refusals are the end, while twenty failures are allowed), and when its next attempt
//! was scheduled. An endpoint that comes back makes everything due at once; an attempt that comes early
//! by that and fails again is free, or an endpoint that comes and goes would use up in a minute the
//! attempts that are meant to last for days. A restart forgets when; how often is in the journal's log.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// More than this many waiting events are not remembered, but simply charged.
const EVENTS_MAX: usize = 4096;
/// The journal rounds.
const EARLY_MIN: Duration = Duration::from_millis(100);
/// An event that has not come back so long after its time was discarded by an operator.
const OVERDUE_MAX: Duration = Duration::from_hours(1);

#[derive(Debug)]
struct Waiting {
    rejections: u32,
    due_at: Instant,
}

/// By position in the journal.
#[derive(Debug, Default)]
pub(super) struct Memory(HashMap<i64, Waiting>);

impl Memory {
    /// How long before its time an attempt at `now` is, if it is.
    pub(super) fn early(&self, seq: i64, now: Instant) -> Option<Duration> {
        let left = self.0.get(&seq)?.due_at.saturating_duration_since(now);
        (left > EARLY_MIN).then_some(left)
    }

    /// How often the event was refused so far; for one that is not remembered, what the journal told.
    pub(super) fn rejections(&self, seq: i64, told: u32) -> u32 {
        self.0.get(&seq).map_or(told, |waiting| waiting.rejections)
    }

    /// The event waits until `due_at`.
    pub(super) fn waits(&mut self, seq: i64, rejections: u32, due_at: Instant, now: Instant) {
        if self.0.len() >= EVENTS_MAX && !self.0.contains_key(&seq) {
            self.0.retain(|_, w| now.saturating_duration_since(w.due_at) < OVERDUE_MAX);
            if self.0.len() >= EVENTS_MAX {
                return;
            }
        }
        self.0.insert(seq, Waiting { rejections, due_at });
    }

    /// The event has ended.
    pub(super) fn forget(&mut self, seq: i64) {
        self.0.remove(&seq);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_is_bounded_and_makes_room() {
        let t = crate::clock::mono();
        let mut memory = Memory::default();
        for seq in 0..10_000 {
            memory.waits(seq, 1, t, t);
        }
        assert_eq!(memory.0.len(), EVENTS_MAX);
        assert_eq!(memory.rejections(9_999, 2), 2, "not remembered: as the journal says");
        memory.waits(9_999, 1, t, t + OVERDUE_MAX);
        assert_eq!((memory.0.len(), memory.rejections(9_999, 2)), (1, 1));
    }

    #[test]
    fn early_is_before_the_time() {
        let t = crate::clock::mono();
        let mut memory = Memory::default();
        memory.waits(1, 0, t + Duration::from_mins(1), t);
        assert_eq!(memory.early(1, t), Some(Duration::from_mins(1)));
        assert_eq!(memory.early(1, t + Duration::from_millis(59_950)), None);
        assert_eq!(memory.early(2, t), None);
    }
}
