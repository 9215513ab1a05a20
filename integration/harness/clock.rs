//! Time limits, and waiting for conditions that nothing announces.

use std::{
    thread,
    time::{Duration, Instant},
};

/// How long anything may take that must happen: generous, because test machines are slow. No proof
/// depends on it being short.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

#[expect(clippy::disallowed_methods, reason = "tests measure what the daemon did in real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "receivers compare signed times with the wall clock")]
pub(crate) fn unix_seconds() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// Waits for something on disk or in another process; panics with `what` when it does not come.
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "did not happen within {PATIENCE:?}: {what}");
        thread::park_timeout(Duration::from_millis(10));
    }
}

/// Returns at `instant`: for work that is paced, such as 500 files a second, never to wait for an effect.
pub(crate) fn pace_until(instant: Instant) {
    while let Some(left) = instant.checked_duration_since(now()).filter(|left| !left.is_zero()) {
        thread::park_timeout(left);
    }
}
