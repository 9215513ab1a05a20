//! How many requests of one lane may run now: pauses, and a gentle start after each of them. Pure.

use std::time::{Duration, Instant};

const LOCAL_WAIT_FIRST: Duration = Duration::from_secs(1);
const LOCAL_WAIT_MAX: Duration = Duration::from_mins(1);

/// Pauses and the ramp after them.
///
/// One request in flight in the first second, twice as many in each second after it: a receiver that has
/// just come back, or has just asked for a pause, is not met by everything that waited.
#[derive(Debug)]
pub struct Pace {
    paused_until: Option<Instant>,
    ramp_from: Instant,
    local_wait: Duration,
}

impl Pace {
    /// Starts with a ramp: after a power cut there may be a backlog, too.
    pub fn new(now: Instant) -> Self {
        Self { paused_until: None, ramp_from: now, local_wait: LOCAL_WAIT_FIRST }
    }

    /// How many requests may be in flight at `now`.
    pub fn limit(&self, now: Instant, concurrency: usize) -> usize {
        if self.paused_until.is_some_and(|until| now < until) {
            return 0;
        }
        let seconds = now.saturating_duration_since(self.ramp_from).as_secs();
        let shift = u32::try_from(seconds).unwrap_or(u32::MAX);
        1usize
            .checked_shl(shift)
            .filter(|limit| *limit > 0)
            .map_or(concurrency, |l| l.min(concurrency))
    }

    /// When the limit grows next; `None` when it will not.
    pub fn next_change(&self, now: Instant, concurrency: usize) -> Option<Instant> {
        if let Some(until) = self.paused_until.filter(|until| now < *until) {
            return Some(until);
        }
        let seconds = now.saturating_duration_since(self.ramp_from).as_secs();
        let more = self.limit(now, concurrency) < concurrency;
        more.then(|| self.ramp_from + Duration::from_secs(seconds + 1))
    }

    /// Nothing starts before `until`; an earlier end than that of the present pause changes nothing.
    pub fn pause(&mut self, until: Instant) {
        if self.paused_until.is_none_or(|present| present < until) {
            self.paused_until = Some(until);
            self.ramp_from = until;
        }
    }

    /// Whether nothing may start at `now`, and until when.
    pub fn paused(&self, now: Instant) -> Option<Instant> {
        self.paused_until.filter(|until| now < *until)
    }

    /// Begins a new ramp.
    pub fn restart(&mut self, now: Instant) {
        if self.paused(now).is_none() {
            self.ramp_from = now;
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

    /// A receiver, or the way to it, has answered: the next local fault is a new one.
    pub fn sent(&mut self) {
        self.local_wait = LOCAL_WAIT_FIRST;
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
        let pace = Pace::new(t);
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
        let mut pace = Pace::new(t);
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
        let mut pace = Pace::new(t);
        let (mut now, mut waits) = (t, Vec::new());
        for _ in 0..8 {
            pace.local_fault(now);
            pace.local_fault(now);
            let until = pace.paused(now).unwrap();
            waits.push((until - now).as_secs());
            now = until;
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        pace.sent();
        pace.local_fault(now);
        assert_eq!(pace.paused(now), Some(now + secs(1)));
    }
}
