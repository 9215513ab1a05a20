//! When an endpoint counts as down, and how it is asked whether it is back. Pure.
//!
//! While the breaker is open one event at a time is sent as a probe and nothing is charged: a receiver
//! that is down for a weekend costs no event its attempts, and is not hammered by a backlog.

use std::time::{Duration, Instant};

/// So many failures of the endpoint in a row, at least, open the breaker ...
const FAILURES_MIN: u32 = 20;
/// ... and at least so long without a success: a burst that fails within a second is one incident.
const WITHOUT_SUCCESS_MIN: Duration = Duration::from_secs(10);
const PROBE_FIRST: Duration = Duration::from_secs(1);
const PROBE_MAX: Duration = Duration::from_mins(1);
/// After this long, the endpoint is not expected back within the minute.
const LONG_OUTAGE: Duration = Duration::from_hours(1);
const PROBE_MAX_LONG: Duration = Duration::from_mins(5);

/// Open or closed, for one endpoint.
#[derive(Debug)]
pub struct Breaker {
    failures: u32,
    last_success: Instant,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    since: Instant,
    wait: Duration,
    next_probe: Instant,
    probing: bool,
}

impl Breaker {
    /// Closed. `now` stands in for the last success.
    pub fn new(now: Instant) -> Self {
        Self { failures: 0, last_success: now, open: None }
    }

    /// Whether the endpoint counts as down.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// When the next probe may start; `None` when closed or while one is on its way.
    pub fn next_probe(&self) -> Option<Instant> {
        self.open.as_ref().filter(|open| !open.probing).map(|open| open.next_probe)
    }

    /// Whether a request may start at `now`, as far as the breaker is concerned.
    pub fn admits(&self, now: Instant) -> bool {
        self.open.as_ref().is_none_or(|open| !open.probing && now >= open.next_probe)
    }

    /// A request starts; whether it is a probe.
    pub fn started(&mut self) -> bool {
        if let Some(open) = &mut self.open {
            open.probing = true;
        }
        self.is_open()
    }

    /// The endpoint has shown that it is alive. When that closes the breaker: how long it was open.
    pub fn alive(&mut self, now: Instant) -> Option<Duration> {
        self.failures = 0;
        self.last_success = now;
        self.open.take().map(|open| now.saturating_duration_since(open.since))
    }

    /// The endpoint failed; `at_once` when the answer would be the same for every event. Whether this
    /// opens the breaker.
    pub fn failed(&mut self, now: Instant, at_once: bool, probe: bool) -> bool {
        self.failures = self.failures.saturating_add(1);
        if self.open.is_some() {
            if probe {
                self.probe_failed(now);
            }
            return false;
        }
        let without_success = now.saturating_duration_since(self.last_success);
        let down = self.failures >= FAILURES_MIN && without_success >= WITHOUT_SUCCESS_MIN;
        if !down && !at_once {
            return false;
        }
        let next_probe = now + PROBE_FIRST;
        self.open = Some(Open { since: now, wait: PROBE_FIRST, next_probe, probing: false });
        true
    }

    /// There is reason to think that the endpoint is back: the next probe may start at once.
    pub fn hurry(&mut self, now: Instant) {
        if let Some(open) = &mut self.open {
            (open.wait, open.next_probe) = (PROBE_FIRST, now);
        }
    }

    /// The probe ended without telling anything about the endpoint: another one may start.
    pub fn probe_void(&mut self) {
        if let Some(open) = &mut self.open {
            open.probing = false;
        }
    }

    fn probe_failed(&mut self, now: Instant) {
        let Some(open) = &mut self.open else { return };
        let long = now.saturating_duration_since(open.since) >= LONG_OUTAGE;
        let wait_max = if long { PROBE_MAX_LONG } else { PROBE_MAX };
        open.wait = (open.wait * 2).min(wait_max);
        open.next_probe = now + open.wait;
        open.probing = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Instant {
        crate::clock::mono()
    }

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn opened(t: Instant) -> Breaker {
        let mut breaker = Breaker::new(t);
        assert!(breaker.failed(t, true, false));
        breaker
    }

    #[test]
    fn opens_after_enough_failures_and_enough_time() {
        let t = start();
        let mut breaker = Breaker::new(t);
        for n in 1..=100 {
            assert!(!breaker.failed(t + secs(9), false, false), "{n} failures within 9 s");
        }
        assert!(breaker.failed(t + secs(10), false, false));

        let mut breaker = Breaker::new(t);
        for n in 1..20 {
            assert!(!breaker.failed(t + secs(1000), false, false), "only {n} failures");
        }
        assert!(breaker.failed(t + secs(1000), false, false));
    }

    #[test]
    fn a_success_starts_the_count_again() {
        let t = start();
        let mut breaker = Breaker::new(t);
        for round in 1..10 {
            for _ in 0..19 {
                assert!(!breaker.failed(t + secs(100 * round), false, false));
            }
            assert_eq!(breaker.alive(t + secs(100 * round)), None);
        }
    }

    #[test]
    fn probes_double_up_to_a_minute_and_to_five_after_an_hour() {
        let t = start();
        let mut breaker = opened(t);
        let (mut now, mut waits) = (t, Vec::new());
        while now < t + secs(2 * 3600) {
            let next = breaker.next_probe().unwrap();
            assert!(!breaker.admits(now));
            assert!(breaker.admits(next));
            waits.push((next - now).as_secs());
            assert!(breaker.started());
            assert!(!breaker.admits(next + secs(9999)), "one probe at a time");
            assert!(!breaker.failed(next, false, true));
            now = next;
        }
        assert_eq!(waits[..8], [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(waits[waits.len() - 3..], [300, 300, 300]);
    }

    #[test]
    fn leftovers_from_before_do_not_slow_the_probes() {
        let t = start();
        let mut breaker = opened(t);
        let next = breaker.next_probe();
        for _ in 0..10 {
            assert!(!breaker.failed(t, true, false));
        }
        assert_eq!(breaker.next_probe(), next);
    }

    #[test]
    fn a_success_closes_and_says_how_long_it_was_open() {
        let t = start();
        let mut breaker = opened(t);
        assert_eq!(breaker.alive(t + secs(90)), Some(secs(90)));
        assert!(!breaker.is_open() && breaker.admits(t));
    }

    #[test]
    fn an_endpoint_that_may_be_back_is_asked_at_once_and_once() {
        let t = start();
        let mut breaker = opened(t);
        assert!(!breaker.admits(t));
        breaker.hurry(t);
        assert!(breaker.admits(t) && breaker.started());
        breaker.hurry(t);
        assert!(!breaker.admits(t + secs(9999)), "one probe at a time");
        assert!(!breaker.failed(t, true, true));
        assert_eq!(breaker.next_probe(), Some(t + 2 * PROBE_FIRST));
    }

    #[test]
    fn a_void_probe_makes_room_for_the_next() {
        let t = start();
        let mut breaker = opened(t);
        breaker.started();
        breaker.probe_void();
        assert!(breaker.admits(t + secs(1)));
    }
}
