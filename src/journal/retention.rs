//! What may be forgotten, and when. Pure.
//!
//! Retention has a clock of its own. It follows wall time, but moves forward by one day at most between
//! two looks and never back: a board that starts in 1970 and jumps to the present forgets nothing early.

use std::time::Duration;

use crate::clock::WallMs;

/// How long the memory of a file that is gone is kept. When the same version comes back within that time
/// (a share that was away), it is not announced again.
pub(crate) const TOMBSTONE_AGE: Duration = Duration::from_hours(30 * 24);

/// Time between two looks.
pub(crate) const INTERVAL: Duration = Duration::from_hours(1);

/// Damaged databases that are kept beside the journal.
pub(crate) const SET_ASIDE_MAX: usize = 3;

const STEP_MAX_MS: i64 = 24 * 3600 * 1000;

/// The retention clock: its own time, and the wall time at which it was read last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RetentionClock {
    pub(crate) now_ms: i64,
    pub(crate) read_at: WallMs,
}

impl RetentionClock {
    /// Moves on to `wall`.
    pub(crate) fn advance(self, wall: WallMs) -> Self {
        let step = wall.0.saturating_sub(self.read_at.0).clamp(0, STEP_MAX_MS);
        Self { now_ms: self.now_ms.saturating_add(step), read_at: wall }
    }

    /// Tombstones from before this may go.
    pub(crate) fn tombstones_before(self) -> i64 {
        self.now_ms.saturating_sub(i64::try_from(TOMBSTONE_AGE.as_millis()).unwrap_or(i64::MAX))
    }
}

/// Which of these set-aside databases (names that sort by age) are one too many.
pub(crate) fn superfluous(mut names: Vec<String>) -> Vec<String> {
    names.sort_unstable();
    names.truncate(names.len().saturating_sub(SET_ASIDE_MAX));
    names
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_clock_that_jumps_by_decades_forgets_nothing_early() {
        let clock = RetentionClock { now_ms: 0, read_at: WallMs(0) };
        let jumped = clock.advance(WallMs(1_800_000_000_000));
        assert_eq!(jumped.now_ms, STEP_MAX_MS);
        assert!(jumped.tombstones_before() < 0);
    }

    #[test]
    fn only_the_newest_set_aside_databases_stay() {
        let names = ["c", "a", "d", "b"].map(String::from).to_vec();
        assert_eq!(superfluous(names), ["a"]);
        assert!(superfluous(vec!["a".into()]).is_empty());
    }

    proptest! {
        #[test]
        fn it_never_goes_back_and_never_faster_than_a_day_at_a_time(steps: Vec<i64>) {
            let mut clock = RetentionClock { now_ms: 0, read_at: WallMs(0) };
            for wall in steps {
                let next = clock.advance(WallMs(wall));
                prop_assert!(next.now_ms >= clock.now_ms && next.now_ms - clock.now_ms <= STEP_MAX_MS);
                clock = next;
            }
        }
    }
}
