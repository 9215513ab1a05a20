//! When a planned restart comes. Pure.

use std::time::Duration;

/// The most that planned restarts are spread over: many machines that were started together must not
/// leave together.
const SPREAD_MAX: Duration = Duration::from_hours(1);

/// Of a small age the last quarter.
const SPREAD_SHARE: u32 = 4;

/// The age at which the daemon ends: before `max_age`, so that a limit of the service manager just above it
/// is never reached.
pub fn planned(max_age: Duration, dice: u64) -> Duration {
    let spread = (max_age / SPREAD_SHARE).min(SPREAD_MAX);
    // Of an hour in nanoseconds times 32 bits of chance, nothing is lost in 128 bits or below 64.
    let early = (spread.as_nanos() * u128::from(dice >> 32)) >> 32;
    max_age.saturating_sub(Duration::from_nanos(u64::try_from(early).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_day_ends_within_its_last_hour_and_a_minute_within_its_last_quarter() {
        let (day, minute) = (Duration::from_hours(24), Duration::from_mins(1));
        for (age, dice, expected_s) in [
            (day, 0, 86_400),
            (day, u64::MAX, 82_800),
            (day, 1 << 63, 84_600),
            (minute, 0, 60),
            (minute, u64::MAX, 45),
        ] {
            let difference = planned(age, dice).abs_diff(Duration::from_secs(expected_s));
            assert!(difference < Duration::from_millis(1), "{age:?} {dice}");
        }
    }

    proptest! {
        #[test]
        fn it_is_never_late_and_never_much_too_early(age_ms in 0..400_000_000_000_u64, dice: u64) {
            let max_age = Duration::from_millis(age_ms);
            let planned = planned(max_age, dice);
            prop_assert!(planned <= max_age);
            prop_assert!(planned >= max_age / 4 * 3);
            prop_assert!(planned + SPREAD_MAX >= max_age);
        }
    }
}
