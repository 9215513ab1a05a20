//! Durations, sizes and rates as people write them: a whole number and a unit. Pure.

use std::time::Duration;

/// The longest duration that is accepted. Beyond it a typing error is likelier than an intention, and
/// deadlines stay far from the end of the clock.
const PERIOD_MAX: Duration = Duration::from_secs(10 * 365 * DAY_S);

const DAY_S: u64 = 86_400;

/// Milliseconds of each unit, largest first.
const PERIOD_UNITS: &[(&str, u64)] =
    &[("d", DAY_S * 1000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Bytes of each unit; the first that divides a number is the one it is shown in.
const SIZE_UNITS: &[(&str, u64)] = &[
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1000),
    ("B", 1),
];

/// Why a text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPeriod {
    /// A number alone.
    #[error("the duration `{number}` has no unit")]
    NoUnit {
        /// What was written.
        number: u64,
    },
    /// A number and something that is not a unit of time.
    #[error("`{unit}` is not a unit of time")]
    Unit {
        /// What was written behind the number.
        unit: String,
    },
    /// No whole number in front.
    #[error("not a duration")]
    Number,
    /// Longer than ten years.
    #[error("longer than ten years")]
    TooLong,
}

/// Why a text is not a size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSize {
    /// A number alone.
    #[error("the size `{number}` has no unit")]
    NoUnit {
        /// What was written.
        number: u64,
    },
    /// A number and something that is not a unit of size.
    #[error("`{unit}` is not a unit of size")]
    Unit {
        /// What was written behind the number.
        unit: String,
    },
    /// No whole number in front.
    #[error("not a size")]
    Number,
    /// More than a file can hold.
    #[error("more than a file can hold")]
    TooLarge,
}

/// So many in so long, on average.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many; at least 1.
    pub count: u32,
    /// In how long: one of the units.
    pub per: Duration,
}

/// Faster than this nothing here is, so that it is no limit.
const RATE_COUNT_MAX: u32 = 1_000_000;

/// Why a text is not a rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRate {
    /// No `/` and a unit behind it.
    #[error("the rate has no `/` and unit of time")]
    NoUnit,
    /// Something else than a unit of time behind the `/`.
    #[error("`{unit}` is not a unit of time for a rate")]
    Unit {
        /// What was written behind the `/`.
        unit: String,
    },
    /// No whole number in front, or one out of range.
    #[error("not a whole number from 1 to {RATE_COUNT_MAX} in front of the `/`")]
    Count,
}

/// Reads `"50/s"`, `"100/m"`, `"1000/h"`, `"5/d"`.
pub fn parse_rate(text: &str) -> Result<Rate, BadRate> {
    let (count, unit) = text.split_once('/').ok_or(BadRate::NoUnit)?;
    let count = count.trim().parse().map_err(|_| BadRate::Count)?;
    if !(1..=RATE_COUNT_MAX).contains(&count) {
        return Err(BadRate::Count);
    }
    let unit = unit.trim();
    match scale_of(PERIOD_UNITS, unit).filter(|ms| *ms >= 1000) {
        Some(ms) => Ok(Rate { count, per: Duration::from_millis(ms) }),
        None => Err(BadRate::Unit { unit: unit.to_owned() }),
    }
}

/// The text that [`parse_rate`] reads back as this.
pub fn show_rate(rate: Rate) -> String {
    format!("{}/{}", rate.count, show_period(rate.per).trim_start_matches('1'))
}

/// Reads `"2s"`, `"500ms"`, `"10m"`, `"1h"`, `"1d"`.
pub fn parse_period(text: &str) -> Result<Duration, BadPeriod> {
    let (number, unit) = split(text).ok_or(BadPeriod::Number)?;
    if unit.is_empty() {
        return Err(BadPeriod::NoUnit { number });
    }
    let scale =
        scale_of(PERIOD_UNITS, unit).ok_or_else(|| BadPeriod::Unit { unit: unit.to_owned() })?;
    let period = Duration::from_millis(number.checked_mul(scale).ok_or(BadPeriod::TooLong)?);
    if period > PERIOD_MAX { Err(BadPeriod::TooLong) } else { Ok(period) }
}

/// Reads `"0B"`, `"10MiB"`, `"4kB"`: 1024 with an `i`, 1000 without.
pub fn parse_size(text: &str) -> Result<u64, BadSize> {
    let (number, unit) = split(text).ok_or(BadSize::Number)?;
    if unit.is_empty() {
        return Err(BadSize::NoUnit { number });
    }
    let scale =
        scale_of(SIZE_UNITS, unit).ok_or_else(|| BadSize::Unit { unit: unit.to_owned() })?;
    let bytes = number.checked_mul(scale).ok_or(BadSize::TooLarge)?;
    // A file's size is a signed 64-bit number (off_t), and so is a column of the journal.
    if i64::try_from(bytes).is_err() { Err(BadSize::TooLarge) } else { Ok(bytes) }
}

/// The shortest text that [`parse_period`] reads back as this; whole milliseconds.
pub fn show_period(period: Duration) -> String {
    let ms = u64::try_from(period.as_millis()).unwrap_or(u64::MAX);
    if ms == 0 { "0s".to_owned() } else { show(PERIOD_UNITS, ms) }
}

/// The shortest text that [`parse_size`] reads back as this.
pub fn show_size(bytes: u64) -> String {
    if bytes == 0 { "0B".to_owned() } else { show(SIZE_UNITS, bytes) }
}

fn show(units: &[(&str, u64)], amount: u64) -> String {
    let whole = units.iter().find(|(_, scale)| amount.is_multiple_of(*scale));
    whole.map_or_else(|| amount.to_string(), |(unit, scale)| format!("{}{unit}", amount / scale))
}

fn scale_of(units: &[(&str, u64)], unit: &str) -> Option<u64> {
    units.iter().find(|(name, _)| *name == unit).map(|(_, scale)| *scale)
}

/// The number in front and what follows it; spaces between them and around are allowed.
fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at_checked(end)?;
    Some((digits.parse().ok()?, unit.trim_start()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_that_people_write() {
        for (text, ms) in [
            ("500ms", 500),
            ("2s", 2000),
            (" 2 s ", 2000),
            ("10m", 600_000),
            ("1h", 3_600_000),
            ("1d", 86_400_000),
            ("0s", 0),
            ("3650d", 315_360_000_000),
        ] {
            assert_eq!(parse_period(text), Ok(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn rates() {
        let rate = |count, secs| Rate { count, per: Duration::from_secs(secs) };
        for (text, meant) in [
            ("50/s", rate(50, 1)),
            (" 1 / m ", rate(1, 60)),
            ("1000000/h", rate(1_000_000, 3600)),
            ("5/d", rate(5, 86_400)),
        ] {
            assert_eq!(parse_rate(text), Ok(meant), "{text}");
            assert_eq!(parse_rate(&show_rate(meant)), Ok(meant));
        }
        let unit = |unit: &str| BadRate::Unit { unit: unit.to_owned() };
        for (text, why) in [
            ("50", BadRate::NoUnit),
            ("50/", unit("")),
            ("50/ms", unit("ms")),
            ("50/2s", unit("2s")),
            ("0/s", BadRate::Count),
            ("-1/s", BadRate::Count),
            ("1.5/s", BadRate::Count),
            ("1000001/s", BadRate::Count),
            ("/s", BadRate::Count),
        ] {
            assert_eq!(parse_rate(text), Err(why), "{text}");
        }
    }

    #[test]
    fn durations_that_are_refused() {
        let unit = |unit: &str| BadPeriod::Unit { unit: unit.to_owned() };
        for (text, why) in [
            ("2", BadPeriod::NoUnit { number: 2 }),
            ("", BadPeriod::Number),
            ("s", BadPeriod::Number),
            ("-2s", BadPeriod::Number),
            ("1.5s", unit(".5s")),
            ("2S", unit("S")),
            ("2sec", unit("sec")),
            ("1h30m", unit("h30m")),
            ("3651d", BadPeriod::TooLong),
            ("18446744073709551615d", BadPeriod::TooLong),
            ("18446744073709551616s", BadPeriod::Number),
            ("none", BadPeriod::Number),
        ] {
            assert_eq!(parse_period(text), Err(why), "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0B", 0),
            ("1kB", 1000),
            ("1KiB", 1024),
            ("10MiB", 10 << 20),
            ("3 MB", 3_000_000),
            ("2GB", 2_000_000_000),
            ("2GiB", 2 << 30),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        let unit = |unit: &str| BadSize::Unit { unit: unit.to_owned() };
        for (text, why) in [
            ("10", BadSize::NoUnit { number: 10 }),
            ("10M", unit("M")),
            ("10mb", unit("mb")),
            ("MiB", BadSize::Number),
            ("99999999999GiB", BadSize::TooLarge),
            ("9223372036854775808B", BadSize::TooLarge),
        ] {
            assert_eq!(parse_size(text), Err(why), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(ms in 0..=315_360_000_000_u64, bytes in 0..=i64::MAX.unsigned_abs()) {
            let period = Duration::from_millis(ms);
            prop_assert_eq!(parse_period(&show_period(period)), Ok(period));
            prop_assert_eq!(parse_size(&show_size(bytes)), Ok(bytes));
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ignored = (parse_period(&text), parse_size(&text));
        }
    }
}
