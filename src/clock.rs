//! The only place that reads a clock (clippy.toml forbids it elsewhere).
//!
//! What decides is the monotonic clock; wall time goes into bodies, signatures and stored retry times
//! only, because a board without a battery-backed clock jumps by decades at its first time sync.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Monotonic time. Inside a tokio test with paused time it is the paused clock.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn mono() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Wall time as milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn wall() -> WallMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    WallMs(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Wall time as microseconds since 1970, for the `timestamp` of a body.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn wall_micros() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// A point in wall time, in milliseconds since 1970-01-01 UTC. It may be wrong, and it may jump.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WallMs(pub i64);

impl WallMs {
    /// This instant, later by `delay` (saturating).
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(delay.as_millis()).unwrap_or(i64::MAX)))
    }

    /// This instant, earlier by `ago` (saturating).
    #[must_use]
    pub fn before(self, ago: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(ago.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long until this instant, seen from `now`; zero when it has passed.
    pub fn until(self, now: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(now.0)).unwrap_or(0))
    }

    /// Whole seconds since 1970, as the `webhook-timestamp` header has it.
    pub fn unix_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }
}

/// Notices that wall time was set back. Pure: both times come in.
#[derive(Clone, Copy, Debug)]
pub struct StepWatch {
    mono: Instant,
    wall: WallMs,
}

impl StepWatch {
    /// Less than this is drift and rounding.
    const STEP_MIN: Duration = Duration::from_secs(2);

    /// Begins to watch.
    pub fn new(mono: Instant, wall: WallMs) -> Self {
        Self { mono, wall }
    }

    /// By how much wall time was set back since the watch began, if it was. Whoever has dealt with that
    /// begins a new watch.
    pub fn set_back(&self, mono: Instant, wall: WallMs) -> Option<Duration> {
        let expected = self.wall.after(mono.saturating_duration_since(self.mono));
        Some(expected.until(wall)).filter(|step| *step >= Self::STEP_MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_step_back_is_noticed() {
        let (start, wall) = (mono(), WallMs(1_000_000));
        let watch = StepWatch::new(start, wall);
        let at = |s: u64| start + Duration::from_secs(s);
        assert_eq!(watch.set_back(at(10), WallMs(1_010_000)), None, "it went on");
        assert_eq!(watch.set_back(at(20), WallMs(9_000_000)), None, "it was set forward");
        assert_eq!(watch.set_back(at(30), WallMs(30_000)), Some(Duration::from_secs(1000)));
        assert_eq!(watch.set_back(at(30), WallMs(1_029_000)), None, "drift");
    }
}
