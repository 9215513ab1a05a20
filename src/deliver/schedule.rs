//! When an event is tried again, and when it is given up. Pure: chance comes in as a number.
//!
//! An event dies when its scheduled attempts have been charged, never by comparing wall clocks: a box
//! that was switched off for a week, or that believes it is 1970, must not expire its queue.

use std::{sync::Arc, time::Duration};

use super::verdict::Class;

/// One random number, good for one decision.
#[derive(Clone, Copy, Debug)]
pub struct Dice(pub u64);

impl Dice {
    /// A point in `[low, high)`, from the upper half of the number.
    fn first(self, low: Duration, high: Duration) -> Duration {
        between(self.0 >> 32, low, high)
    }

    /// As `first`, from the lower half.
    fn second(self, low: Duration, high: Duration) -> Duration {
        between(self.0 & u64::from(u32::MAX), low, high)
    }
}

fn between(roll: u64, low: Duration, high: Duration) -> Duration {
    let span = high.saturating_sub(low).as_nanos();
    let part = span.saturating_mul(u128::from(roll)) >> 32;
    low.saturating_add(Duration::from_nanos(u64::try_from(part).unwrap_or(u64::MAX)))
}

/// What is known about an event after an attempt was charged.
#[derive(Clone, Copy, Debug)]
pub struct Charged {
    /// How the attempt ended.
    pub class: Class,
    /// Attempts charged, this one included.
    pub attempts: u32,
    /// How many of them ended in [`Class::Reject`], this one included.
    pub rejections: u32,
    /// What the receiver asked for, already spread by [`spread`].
    pub floor: Option<Duration>,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Try again after so long.
    Again(Duration),
    /// Give up.
    Dead,
}

/// An endpoint's retry schedule.
#[derive(Clone, Debug)]
pub struct Schedule {
    delays: Arc<[Duration]>,
    attempts_max: u32,
}

/// A refused event is tried once more after a deploy's length, and once more after a person's.
const REJECT_DELAYS: [Duration; 2] = [Duration::from_mins(5), Duration::from_hours(1)];
/// Least delay after an answer that asks for fewer requests.
pub const SLOW_DELAY_MIN: Duration = Duration::from_mins(1);
/// Least delay after an answer that says the endpoint itself is wrong.
pub const CONFIG_DELAY_MIN: Duration = Duration::from_mins(10);
/// The most that is added to a `Retry-After`, so that not all clients come back in the same second.
const SPREAD_MAX: Duration = Duration::from_mins(1);

impl Schedule {
    /// `delays` after the first, second, ... attempt, the last repeats; given up after `attempts_max`.
    pub fn new(delays: &[Duration], attempts_max: u32) -> Self {
        Self { delays: delays.into(), attempts_max: attempts_max.max(1) }
    }

    /// What becomes of an event after a charged attempt that did not deliver it.
    pub fn next(&self, charged: Charged, dice: Dice) -> Next {
        let rejected = charged.class == Class::Reject;
        let refused_for_good = charged.class == Class::Permanent
            || rejected && charged.rejections as usize > REJECT_DELAYS.len();
        if charged.attempts >= self.attempts_max || refused_for_good {
            return Next::Dead;
        }
        let scheduled = if rejected {
            nth(&REJECT_DELAYS, charged.rejections)
        } else {
            nth(&self.delays, charged.attempts)
        };
        Next::Again(delay(scheduled, charged.class, charged.floor, dice))
    }

    /// The delay after an attempt that is not charged but must not be repeated at once.
    pub fn uncharged(
        &self,
        attempts: u32,
        class: Class,
        floor: Option<Duration>,
        dice: Dice,
    ) -> Duration {
        delay(nth(&self.delays, attempts.max(1)), class, floor, dice)
    }
}

/// The `n`th delay, counted from 1; the last repeats.
fn nth(delays: &[Duration], n: u32) -> Duration {
    let index = (n as usize).saturating_sub(1).min(delays.len().saturating_sub(1));
    delays.get(index).copied().unwrap_or(SLOW_DELAY_MIN)
}

/// Half to one and a half times what is scheduled, never below the least delay of the class, and the
/// receiver's wish as a floor under the result.
fn delay(scheduled: Duration, class: Class, floor: Option<Duration>, dice: Dice) -> Duration {
    let least = delay_min(class);
    let low = (scheduled / 2).max(least);
    // Where the least delay decides, half of it more: a clump at exactly `least` would be a herd.
    let high = (scheduled.saturating_mul(3) / 2).max(low.saturating_add(least / 2));
    dice.first(low, high).max(floor.unwrap_or_default())
}

fn delay_min(class: Class) -> Duration {
    match class {
        Class::Slow | Class::Clock => SLOW_DELAY_MIN,
        Class::Config | Class::Proxy => CONFIG_DELAY_MIN,
        Class::Ok
        | Class::Retry
        | Class::Reject
        | Class::Permanent
        | Class::Gone
        | Class::Local => Duration::ZERO,
    }
}

/// A `Retry-After` and up to a tenth of it more, but no more than a minute.
pub fn spread(retry_after: Duration, dice: Dice) -> Duration {
    dice.second(retry_after, retry_after.saturating_add((retry_after / 10).min(SPREAD_MAX)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MID: Dice = Dice(0x8000_0000_8000_0000);

    fn defaults() -> Schedule {
        let delays = [5, 30, 120, 600, 1800, 3600, 7200, 14_400, 28_800].map(Duration::from_secs);
        Schedule::new(&delays, 20)
    }

    fn charged(class: Class, attempts: u32) -> Charged {
        Charged { class, attempts, rejections: 0, floor: None }
    }

    #[test]
    fn twenty_attempts_span_four_days() {
        let schedule = defaults();
        let mut total = Duration::ZERO;
        for attempts in 1..20 {
            let Next::Again(delay) = schedule.next(charged(Class::Retry, attempts), MID) else {
                panic!("dead after {attempts}");
            };
            total += delay;
        }
        assert_eq!(schedule.next(charged(Class::Retry, 20), MID), Next::Dead);
        assert_eq!(total.as_secs() / 3600, 95);
    }

    #[test]
    fn a_rejected_event_has_three_attempts() {
        let schedule = defaults();
        let next = |n| {
            let charged = Charged { class: Class::Reject, attempts: n, rejections: n, floor: None };
            schedule.next(charged, MID)
        };
        assert_eq!(next(1), Next::Again(Duration::from_mins(5)));
        assert_eq!(next(2), Next::Again(Duration::from_hours(1)));
        assert_eq!(next(3), Next::Dead);
    }

    #[test]
    fn a_permanent_refusal_is_the_end_at_once() {
        assert_eq!(defaults().next(charged(Class::Permanent, 1), MID), Next::Dead);
    }

    #[test]
    fn the_floor_is_applied_after_jitter() {
        let floor = Some(Duration::from_secs(100));
        let with = |floor| Charged { floor, ..charged(Class::Retry, 1) };
        assert_eq!(
            defaults().next(with(floor), Dice(u64::MAX)),
            Next::Again(Duration::from_secs(100))
        );
        let Next::Again(delay) = defaults().next(with(Some(Duration::ZERO)), Dice(u64::MAX)) else {
            panic!("dead")
        };
        assert!(delay > Duration::from_secs(7) && delay < Duration::from_millis(7500));
    }

    #[test]
    fn one_attempt_is_one_attempt() {
        let schedule = Schedule::new(&[Duration::from_secs(1)], 1);
        assert_eq!(schedule.next(charged(Class::Retry, 1), MID), Next::Dead);
    }

    proptest! {
        #[test]
        fn delays_stay_in_bounds(n in 1u32..1000, roll in any::<u64>(), ms in 0u64..100_000_000) {
            let scheduled = Duration::from_millis(ms);
            let schedule = Schedule::new(&[scheduled], u32::MAX);
            for (class, least) in [
                (Class::Retry, Duration::ZERO),
                (Class::Slow, SLOW_DELAY_MIN),
                (Class::Config, CONFIG_DELAY_MIN),
            ] {
                let Next::Again(delay) = schedule.next(charged(class, n), Dice(roll)) else {
                    panic!("dead")
                };
                prop_assert!(delay >= (scheduled / 2).max(least));
                prop_assert!(delay <= (scheduled * 3 / 2).max(least * 3 / 2).max(scheduled / 2 + least / 2));
            }
        }

        #[test]
        fn spread_adds_a_tenth_at_most(secs in 0u64..200_000, roll in any::<u64>()) {
            let asked = Duration::from_secs(secs);
            let got = spread(asked, Dice(roll));
            prop_assert!(got >= asked);
            prop_assert!(got <= asked + (asked / 10).min(Duration::from_mins(1)));
        }

        #[test]
        fn nothing_overflows(n in any::<u32>(), roll in any::<u64>(), secs in any::<u64>(), r in any::<u32>()) {
            let schedule = Schedule::new(&[Duration::from_secs(secs)], u32::MAX);
            for class in [Class::Retry, Class::Slow, Class::Config, Class::Reject, Class::Clock] {
                let floor = Some(Duration::MAX);
                schedule.next(Charged { class, attempts: n, rejections: r, floor }, Dice(roll));
            }
        }
    }
}
