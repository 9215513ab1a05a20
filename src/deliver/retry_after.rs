//! `Retry-After` (RFC 9110 10.2.3): input from a stranger, bytes in, a bounded duration out. Pure.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::clock::WallMs;

/// The longest pause that a receiver can ask for.
pub const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);

/// The largest valid value among the header's lines; `None` when there is none or it is not in the future.
///
/// A date is measured against the response's own `Date` where that can be read, so that our clock does
/// not matter; it may well be wrong on a board without a battery.
pub fn floor<'a>(
    values: impl IntoIterator<Item = &'a [u8]>,
    response_date: Option<&[u8]>,
    now: WallMs,
) -> Option<Duration> {
    let seen_from = response_date.and_then(unix_seconds).unwrap_or_else(|| now.unix_seconds());
    values
        .into_iter()
        .filter_map(|value| seconds(value, seen_from))
        .max()
        .filter(|seconds| *seconds > 0)
        .map(|seconds| Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

/// An HTTP date in any of its three forms (RFC 9110 5.6.7) as seconds since 1970.
pub fn unix_seconds(value: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(value.trim_ascii()).ok()?;
    let date: SystemTime = httpdate::parse_http_date(text).ok()?;
    i64::try_from(date.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()
}

/// `1*DIGIT` or an HTTP date; a sign, a fraction, an exponent or a list is none of these.
fn seconds(value: &[u8], seen_from: i64) -> Option<u64> {
    let value = value.trim_ascii();
    if !value.is_empty() && value.iter().all(u8::is_ascii_digit) {
        let digits = value.iter().map(|b| u64::from(b - b'0'));
        return Some(digits.fold(0, |sum: u64, d| sum.saturating_mul(10).saturating_add(d)));
    }
    let until = unix_seconds(value)?;
    Some(u64::try_from(until.saturating_sub(seen_from)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: WallMs = WallMs(784_111_777_000); // Sun, 06 Nov 1994 08:49:37 GMT

    fn one(value: &str, date: Option<&str>) -> Option<u64> {
        floor([value.as_bytes()], date.map(str::as_bytes), NOW).map(|d| d.as_secs())
    }

    #[test]
    fn delay_seconds() {
        let day = Some(86_400);
        let table = [
            ("120", Some(120)),
            (" 7\t", Some(7)),
            ("0", None),
            ("000", None),
            ("86400", day),
            ("86401", day),
            ("18446744073709551616", day),
            ("99999999999999999999999999999999999999", day),
            ("1e300", None),
            ("inf", None),
            ("-1", None),
            ("+1", None),
            ("1.5", None),
            ("1, 2", None),
            ("0x10", None),
            ("١", None),
            ("", None),
            (" ", None),
            ("soon", None),
        ];
        for (value, want) in table {
            assert_eq!(one(value, None), want, "{value:?}");
        }
    }

    #[test]
    fn three_date_forms() {
        for value in [
            "Sun, 06 Nov 1994 08:50:37 GMT",
            "Sunday, 06-Nov-94 08:50:37 GMT",
            "Sun Nov  6 08:50:37 1994",
        ] {
            assert_eq!(one(value, None), Some(60), "{value:?}");
        }
        assert_eq!(one("Sun, 06 Nov 1994 08:49:36 GMT", None), None, "past");
        assert_eq!(one("Fri, 31 Dec 9999 23:59:59 GMT", None), Some(86_400), "far");
    }

    #[test]
    fn the_response_date_replaces_our_clock() {
        let until = "Tue, 01 Mar 2022 12:00:30 GMT";
        assert_eq!(one(until, Some("Tue, 01 Mar 2022 12:00:00 GMT")), Some(30));
        assert_eq!(one(until, Some("Tue, 01 Mar 2022 12:01:00 GMT")), None);
        assert_eq!(one(until, Some("yesterday")), Some(86_400), "unreadable: our clock");
        assert_eq!(
            one("60", Some("Tue, 01 Mar 2022 12:00:00 GMT")),
            Some(60),
            "seconds need no clock"
        );
    }

    #[test]
    fn the_largest_valid_line_counts() {
        let lines: [&[u8]; 4] = [b"5", b"\xff", b"90", b"7"];
        assert_eq!(floor(lines, None, NOW), Some(Duration::from_secs(90)));
    }

    /// What a server may write for an instant: IMF-fixdate, RFC 850, asctime.
    fn date_forms(unix_seconds: i64) -> [String; 3] {
        let time = jiff::Timestamp::from_second(unix_seconds).unwrap();
        ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"]
            .map(|form| time.strftime(form).to_string())
    }

    proptest! {
        #[test]
        fn any_bytes_give_at_most_a_day(
            lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..4),
            date in prop::option::of(prop::collection::vec(any::<u8>(), 0..60)),
            now in any::<i64>(),
        ) {
            let lines = lines.iter().map(Vec::as_slice);
            let floor = floor(lines, date.as_deref(), WallMs(now));
            prop_assert!(floor.is_none_or(|d| d > Duration::ZERO && d <= RETRY_AFTER_MAX));
        }

        /// Every second of the hundred years that a year of two digits can name, in each form of RFC 9110 5.6.7.
        #[test]
        fn each_date_form_is_the_same_instant(until in 0i64..3_155_673_600, now in 0i64..3_155_673_600) {
            let want = u64::try_from(until - now).ok().filter(|s| *s > 0).map(|s| s.min(86_400));
            for date in date_forms(until) {
                prop_assert_eq!(unix_seconds(date.as_bytes()), Some(until), "{}", &date);
                let by_our_clock = floor([date.as_bytes()], None, WallMs(now * 1000));
                prop_assert_eq!(by_our_clock.map(|d| d.as_secs()), want, "{}", &date);
                for theirs in date_forms(now) {
                    let by_theirs = floor([date.as_bytes()], Some(theirs.as_bytes()), WallMs(0));
                    prop_assert_eq!(by_theirs.map(|d| d.as_secs()), want, "{} {}", &date, theirs);
                }
            }
        }

        #[test]
        fn a_date_with_bytes_put_in_cut_out_or_changed_gives_at_most_a_day(
            until in -62_135_596_800i64..253_402_300_800, form in 0usize..3, at in 0usize..40, cut in 0usize..4,
            put in prop::collection::vec(any::<u8>(), 0..4), now in any::<i64>(),
        ) {
            let mut date = date_forms(until)[form].clone().into_bytes();
            let from = at.min(date.len());
            date.splice(from..(from + cut).min(date.len()), put);
            let by_our_clock = floor([&*date], None, WallMs(now));
            prop_assert!(by_our_clock.is_none_or(|d| d <= RETRY_AFTER_MAX));
            let from_itself = floor([&*date, &*date], Some(&date), WallMs(now));
            prop_assert_eq!(from_itself, None, "no date lies ahead of itself, and none is left a number");
        }

        #[test]
        fn any_date_like_text_gives_at_most_a_day(
            text in "(Mon|Sun|Sunday), [0-9]{1,2}[ -](Nov|Feb|Xyz)[ -][0-9]{1,5} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT",
            now in any::<i64>(),
        ) {
            let floor = floor([text.as_bytes()], Some(text.as_bytes()), WallMs(now));
            prop_assert!(floor.is_none_or(|d| d <= RETRY_AFTER_MAX));
        }
    }
}
