//! How many requests may be in flight at once, found out carefully. Pure.
//!
//! After a start, a pause or an outage one request is in flight for a second, then twice as many in each
//! second: a receiver that has just come back is not met by everything that waited. When that is more than
//! it bears, so that many requests fail, the number is halved, and from there on grows in small steps, as
//! TCP does (RFC 5681 3.1): a ramp that goes on would be the next outage.

use std::time::{Duration, Instant};

const STEP: Duration = Duration::from_secs(1);
/// Full trouble, as the mean over about the last eight answers is counted.
const TROUBLE_MAX: u32 = 1 << 16;
/// From a fifth of failures on it is too much. One poisoned event, or one lost connection, is far less.
const TROUBLE_TOO_MUCH: u32 = TROUBLE_MAX / 5;
/// Steps beyond what was too much once are an eighth of it.
const CAREFUL: usize = 8;

/// For one lane.
#[derive(Debug)]
pub struct Ramp {
    from: Instant,
    base: usize,
    /// Up to here it doubles. Half of what was too much last.
    known_good: usize,
    trouble: u32,
}

impl Ramp {
    /// Begins at one.
    pub fn new(now: Instant) -> Self {
        Self { from: now, base: 1, known_good: usize::MAX, trouble: 0 }
    }

    /// Begins at one again, at `from`. What was too much is remembered.
    pub fn restart(&mut self, from: Instant) {
        (self.from, self.base, self.trouble) = (from, 1, 0);
    }

    /// How many may be in flight at `now`.
    pub fn limit(&self, now: Instant) -> usize {
        let steps = usize::try_from(self.steps(now)).unwrap_or(usize::MAX);
        let doublings = (self.known_good / self.base).max(1).ilog2();
        let doubled = u32::try_from(steps).unwrap_or(u32::MAX).min(doublings);
        let careful = steps.saturating_sub(doubled as usize);
        let step = (self.known_good / CAREFUL).max(1);
        (self.base << doubled).saturating_add(careful.saturating_mul(step))
    }

    /// When it grows next.
    pub fn next_step(&self, now: Instant) -> Instant {
        self.from + STEP * u32::try_from(self.steps(now) + 1).unwrap_or(u32::MAX)
    }

    fn steps(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.from).as_secs()
    }

    /// An answer came, or none in time; `most` is what is allowed beside the ramp.
    pub fn answered(&mut self, failed: bool, now: Instant, most: usize) {
        self.trouble -= self.trouble / 8;
        self.trouble += if failed { TROUBLE_MAX / 8 } else { 0 };
        // Failures of requests that were under way at the last cut say nothing about this number.
        let is_settled = now >= self.from + STEP;
        if failed && self.trouble > TROUBLE_TOO_MUCH && is_settled {
            let half = (self.limit(now).min(most) / 2).max(1);
            (self.from, self.base, self.known_good, self.trouble) = (now, half, half, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn limits(ramp: &Ramp, t: Instant, seconds: u64) -> Vec<usize> {
        (0..seconds).map(|s| ramp.limit(t + secs(s)).min(256)).collect()
    }

    #[test]
    fn it_doubles_each_second() {
        let t = crate::clock::mono();
        let ramp = Ramp::new(t);
        assert_eq!(limits(&ramp, t, 10), [1, 2, 4, 8, 16, 32, 64, 128, 256, 256]);
        assert_eq!(ramp.next_step(t + Duration::from_millis(1500)), t + secs(2));
    }

    #[test]
    fn what_fails_is_halved_once_a_second_and_grows_slowly_then() {
        let t = crate::clock::mono();
        let mut ramp = Ramp::new(t);
        let now = t + secs(5);
        for _ in 0..20 {
            ramp.answered(true, now, 256);
        }
        assert_eq!(limits(&ramp, now, 4), [16, 18, 20, 22]);
        ramp.restart(now);
        assert_eq!(limits(&ramp, now, 8), [1, 2, 4, 8, 16, 18, 20, 22], "known good, then careful");
    }

    #[test]
    fn a_failure_now_and_then_changes_nothing() {
        let t = crate::clock::mono();
        let mut ramp = Ramp::new(t);
        for n in 0..10_000_u64 {
            ramp.answered(n % 10 == 0, t + secs(n), 4);
        }
        assert!(ramp.limit(t + secs(10_000)) >= 4);
    }

    #[test]
    fn it_never_goes_below_one() {
        let t = crate::clock::mono();
        let mut ramp = Ramp::new(t);
        for n in 0..1000 {
            ramp.answered(true, t + secs(n), 4);
            assert!(ramp.limit(t + secs(n)) >= 1);
        }
    }

    proptest! {
        #[test]
        fn no_time_and_no_answer_overflows(
            answers in prop::collection::vec((any::<bool>(), 0u64..100_000), 0..50), most in 1usize..300,
        ) {
            let mut now = crate::clock::mono();
            let mut ramp = Ramp::new(now);
            for (failed, ms) in answers {
                now += Duration::from_millis(ms);
                ramp.answered(failed, now, most);
                prop_assert!(ramp.limit(now) >= 1);
                prop_assert!(ramp.next_step(now) > now);
                prop_assert!(ramp.limit(now + secs(1_000_000_000)) >= ramp.limit(now));
            }
        }
    }
}
