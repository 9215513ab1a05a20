//! A rush of hints is taken in a few times a millisecond, not once for each. Pure.
//!
//! Whoever writes thousands of files wakes this thread by each event of each, and has the processor taken away
//! every time. A few hints, as one file brings them, are taken at once.

use std::time::{Duration, Instant};

/// So often hints are taken within [`WINDOW`]; then not before its end.
const TAKES_MAX: u32 = 4;
const WINDOW: Duration = Duration::from_millis(1);

/// When hints were taken lately.
#[derive(Debug)]
pub(super) struct Breath {
    since: Instant,
    takes: u32,
}

impl Breath {
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, takes: 0 }
    }

    /// Hints were taken at `now`.
    pub(super) fn taken(&mut self, now: Instant) {
        if now >= self.since + WINDOW {
            *self = Self::new(now);
        }
        self.takes += 1;
    }

    /// How long to leave those that come next, if at all.
    pub(super) fn pause(&self, now: Instant) -> Option<Duration> {
        let end = self.since + WINDOW;
        (self.takes >= TAKES_MAX && now < end).then(|| end - now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn a_few_hints_are_taken_at_once_and_a_rush_a_few_times_a_millisecond() {
        let t = clock::mono();
        let (mut breath, mut now, mut takes) = (Breath::new(t), t, 0);
        while now < t + Duration::from_millis(100) {
            breath.taken(now);
            takes += 1;
            let pause = breath.pause(now).unwrap_or_default();
            assert!(pause <= WINDOW && (takes >= TAKES_MAX || pause.is_zero()));
            now += pause + Duration::from_micros(10);
        }
        assert!((390..=410).contains(&takes), "{takes}");
    }

    #[test]
    fn hints_that_come_one_by_one_wait_for_nothing() {
        let t = clock::mono();
        let mut breath = Breath::new(t);
        for n in 0..100 {
            let now = t + Duration::from_micros(500) * n;
            breath.taken(now);
            assert_eq!(breath.pause(now), None);
        }
    }
}
