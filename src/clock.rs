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

    /// How long until this instant, seen from `now`; zero when it has passed.
    pub fn until(self, now: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(now.0)).unwrap_or(0))
    }

    /// Whole seconds since 1970, as the `webhook-timestamp` header has it.
    pub fn unix_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }
}
