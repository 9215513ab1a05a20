//! A token bucket: no more requests than a rate. Pure.
//!
//! Kept as the time at which it would be full again (the generic cell rate algorithm), so that nothing has
//! to be counted up while nothing happens.

use std::time::{Duration, Instant};

use crate::config::units::Rate;

/// So much of a rate may come at once: timers are too coarse to space thousands of requests a second.
const BURST: Duration = Duration::from_millis(100);

/// For one lane.
#[derive(Debug)]
pub struct Bucket {
    interval: Duration,
    full_at: Instant,
}

impl Bucket {
    /// Full.
    pub fn new(rate: Rate, now: Instant) -> Self {
        Self { interval: rate.per / rate.count.max(1), full_at: now }
    }

    /// When a request may start; `now` or earlier means at once.
    pub fn next(&self) -> Instant {
        // A whole token has to be there, and the bucket holds one at least.
        let depth = BURST.saturating_sub(self.interval);
        self.full_at.checked_sub(depth).unwrap_or(self.full_at)
    }

    /// A request starts. It may, where it cannot wait, also when no token is there: the next waits longer.
    pub fn take(&mut self, now: Instant) {
        self.full_at = self.full_at.max(now) + self.interval;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// When requests start, if there is always one that waits.
    fn starts(rate: Rate, t: Instant, for_so_long: Duration) -> Vec<Duration> {
        let mut bucket = Bucket::new(rate, t);
        let (mut now, mut starts) = (t, Vec::new());
        while now < t + for_so_long {
            bucket.take(now);
            starts.push(now - t);
            now = now.max(bucket.next());
        }
        starts
    }

    #[test]
    fn slow_rates_are_spaced_evenly() {
        let t = crate::clock::mono();
        let rate = Rate { count: 6, per: Duration::from_mins(1) };
        let starts = starts(rate, t, Duration::from_secs(35));
        assert_eq!(starts.iter().map(Duration::as_secs).collect::<Vec<_>>(), [0, 10, 20, 30]);
    }

    #[test]
    fn a_tenth_of_a_second_comes_at_once_after_a_rest() {
        let t = crate::clock::mono();
        let rate = Rate { count: 50, per: Duration::from_secs(1) };
        let starts = starts(rate, t, Duration::from_millis(59));
        let ms: Vec<_> = starts.iter().map(Duration::as_millis).collect();
        assert_eq!(ms, [0, 0, 0, 0, 0, 20, 40]);
    }

    #[test]
    fn a_request_that_could_not_wait_is_waited_for() {
        let t = crate::clock::mono();
        let mut bucket = Bucket::new(Rate { count: 1, per: Duration::from_secs(1) }, t);
        bucket.take(t);
        bucket.take(t);
        assert_eq!(bucket.next(), t + Duration::from_secs(2));
    }

    proptest! {
        #[test]
        fn no_window_has_more_than_the_rate_and_its_burst(
            count in 1u32..2000,
            per_s in prop::sample::select(vec![1u64, 60]),
            at in 0usize..1000,
        ) {
            let t = crate::clock::mono();
            let rate = Rate { count, per: Duration::from_secs(per_s) };
            let starts = starts(rate, t, Duration::from_secs(per_s) * 3);
            let from = starts[at % starts.len()];
            let window = starts.iter().filter(|s| **s >= from && **s < from + rate.per).count();
            let burst = u128::from(count) * BURST.as_millis() / rate.per.as_millis() + 2;
            prop_assert!(window as u128 <= u128::from(count) + burst, "{window} of {count}");
        }
    }
}
