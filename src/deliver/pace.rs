//! How many requests of one lane may start now: pauses, the rate limit, and the ramp after each pause. Pure.

use std::time::{Duration, Instant};

use super::{bucket::Bucket, ramp::Ramp};
use crate::config::units::Rate;

const LOCAL_WAIT_FIRST: Duration = Duration::from_secs(1);
const LOCAL_WAIT_MAX: Duration = Duration::from_mins(1);

/// Everything that makes a lane wait but its breaker.
#[derive(Debug)]
pub struct Pace {
    paused_until: Option<Instant>,
    ramp: Ramp,
    bucket: Option<Bucket>,
    local_wait: Duration,
}

impl Pace {
    /// Starts with a ramp: after a power cut there may be a backlog, too.
    pub fn new(rate: Option<Rate>, now: Instant) -> Self {
        Self {
            paused_until: None,
            ramp: Ramp::new(now),
            bucket: rate.map(|rate| Bucket::new(rate, now)),
            local_wait: LOCAL_WAIT_FIRST,
        }
    }

    /// How many requests may be in flight at `now`; none while a pause or the rate limit forbids another.
    pub fn limit(&self, now: Instant, concurrency: usize) -> usize {
        if self.paused(now).is_some() || self.no_token(now).is_some() {
            return 0;
        }
        self.ramp.limit(now).min(concurrency)
    }

    /// When the limit grows next; `None` when it will not.
    pub fn next_change(&self, now: Instant, concurrency: usize) -> Option<Instant> {
        let earliest = self.earliest(now);
        if earliest > now {
            return Some(earliest);
        }
        (self.ramp.limit(now) < concurrency).then(|| self.ramp.next_step(now))
    }

    /// When one request may start, as far as the pace is concerned; `now` when at once.
    pub fn earliest(&self, now: Instant) -> Instant {
        [self.paused(now), self.no_token(now)].into_iter().flatten().max().unwrap_or(now)
    }

    /// Until when the rate limit allows nothing.
    fn no_token(&self, now: Instant) -> Option<Instant> {
        self.bucket.as_ref().map(Bucket::next).filter(|next| *next > now)
    }

    /// A request starts.
    pub fn started(&mut self, now: Instant) {
        if let Some(bucket) = &mut self.bucket {
            bucket.take(now);
        }
    }

    /// Nothing starts before `until`; an earlier end than that of the present pause changes nothing.
    pub fn pause(&mut self, until: Instant) {
        if self.paused_until.is_none_or(|present| present < until) {
            self.paused_until = Some(until);
            self.ramp.restart(until);
        }
    }

    /// Whether nothing may start at `now`, and until when.
    pub fn paused(&self, now: Instant) -> Option<Instant> {
        self.paused_until.filter(|until| now < *until)
    }

    /// Begins a new ramp.
    pub fn restart(&mut self, now: Instant) {
        if self.paused(now).is_none() {
            self.ramp.restart(now);
        }
    }

    /// This machine could not send: wait, longer each time.
    pub fn local_fault(&mut self, now: Instant) -> Duration {
        let wait = self.local_wait;
        // Requests that failed together are one fault.
        if self.paused(now).is_none() {
            self.local_wait = (wait * 2).min(LOCAL_WAIT_MAX);
            self.pause(now + wait);
        }
        wait
    }

    /// A receiver, or the way to it, has answered: the next local fault is a new one. Whether it failed as
    /// one does that has too much to do.
    pub fn sent(&mut self, failed: bool, now: Instant, concurrency: usize) {
        self.local_wait = LOCAL_WAIT_FIRST;
        self.ramp.answered(failed, now, concurrency);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn the_ramp_doubles_each_second_up_to_concurrency() {
        let t = crate::clock::mono();
        let pace = Pace::new(None, t);
        let limits: Vec<_> = (0..6).map(|s| pace.limit(t + secs(s), 10)).collect();
        assert_eq!(limits, [1, 2, 4, 8, 10, 10]);
        assert_eq!(pace.limit(t + secs(1_000_000), 10), 10);
        assert_eq!(pace.next_change(t, 10), Some(t + secs(1)));
        assert_eq!(pace.next_change(t + secs(4), 10), None);
        assert_eq!(pace.next_change(t, 1), None);
    }

    #[test]
    fn nothing_starts_during_a_pause_and_one_after_it() {
        let t = crate::clock::mono();
        let mut pace = Pace::new(None, t);
        pace.pause(t + secs(100));
        pace.pause(t + secs(50));
        assert_eq!(pace.limit(t + secs(99), 4), 0);
        assert_eq!(pace.next_change(t + secs(99), 4), Some(t + secs(100)));
        assert_eq!(pace.limit(t + secs(100), 4), 1);
        assert_eq!(pace.limit(t + secs(102), 4), 4);
    }

    #[test]
    fn local_faults_wait_longer_each_time_but_count_once_together() {
        let t = crate::clock::mono();
        let mut pace = Pace::new(None, t);
        let (mut now, mut waits) = (t, Vec::new());
        for _ in 0..8 {
            pace.local_fault(now);
            pace.local_fault(now);
            let until = pace.paused(now).unwrap();
            waits.push((until - now).as_secs());
            now = until;
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        pace.sent(false, now, 4);
        pace.local_fault(now);
        assert_eq!(pace.paused(now), Some(now + secs(1)));
    }

    #[test]
    fn the_rate_limit_holds_within_the_ramp_and_after_a_pause() {
        let t = crate::clock::mono();
        let mut pace = Pace::new(Some(Rate { count: 1, per: secs(10) }), t);
        assert_eq!(pace.limit(t, 4), 1);
        pace.started(t);
        assert_eq!(pace.limit(t + secs(9), 4), 0);
        assert_eq!(pace.next_change(t + secs(2), 4), Some(t + secs(10)));
        assert_eq!(pace.limit(t + secs(10), 4), 4);
        pace.started(t + secs(10));
        pace.pause(t + secs(12));
        assert_eq!(pace.next_change(t + secs(11), 4), Some(t + secs(20)));
        assert_eq!(pace.limit(t + secs(12), 4), 0);
        assert!(pace.paused(t + secs(12)).is_none(), "a rate limit is no pause");
    }
}
