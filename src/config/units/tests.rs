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
