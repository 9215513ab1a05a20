//! When a planned restart comes. Pure.

use std::time::Duration;

/// The most that planned restarts are spread over: many machines that were started together must not
/// leave together.
const SPREAD_MAX: Duration = Duration::from_hours(1);

/// Of a small age the last quarter.
const SPREAD_SHARE: u32 = 4;

/// The age at which the daemon ends: before `max_age`, so that a limit of the service manager just above it
/// is never reached. `chance` is from 0 to 1.
pub fn planned(max_age: Duration, chance: f64) -> Duration {
    let spread = (max_age / SPREAD_SHARE).min(SPREAD_MAX);
    max_age - spread.mul_f64(chance.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_day_ends_within_its_last_hour_and_a_minute_within_its_last_quarter() {
        let (day, minute) = (Duration::from_hours(24), Duration::from_mins(1));
        for (age, chance, expected_s) in [
            (day, 0.0, 86_400),
            (day, 1.0, 82_800),
            (day, 0.5, 84_600),
            (minute, 0.0, 60),
            (minute, 1.0, 45),
        ] {
            let expected = Duration::from_secs(expected_s);
            assert_eq!(planned(age, chance), expected, "{age:?} {chance}");
        }
    }

    proptest! {
        #[test]
        fn it_is_never_late_and_never_much_too_early(age_ms in 0..400_000_000_000_u64, chance: f64) {
            let max_age = Duration::from_millis(age_ms);
            let chance = if chance.is_nan() { 0.0 } else { chance };
            let planned = planned(max_age, chance);
            prop_assert!(planned <= max_age);
            prop_assert!(planned >= max_age / 4 * 3);
            prop_assert!(max_age - planned <= SPREAD_MAX);
        }
    }
}
