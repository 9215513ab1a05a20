//! The document in words, for pages and terminals. Pure.

use jiff::Timestamp;

use super::{File, Waiting, Why};
use crate::clock::WallMs;

/// In UTC, to the second.
pub fn time(at: WallMs) -> String {
    let time = Timestamp::from_millisecond(at.0).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{time:.0}")
}

/// A length of time, as exact as a person wants it: `14 s`, `5 min`, `2 h 5 min`, `3 d 4 h`.
pub fn span(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, 1..=9, _) if minutes % 60 > 0 => format!("{hours} h {} min", minutes % 60),
        (0, _, _) => format!("{hours} h"),
        (1..=9, _, _) if hours % 24 > 0 => format!("{days} d {} h", hours % 24),
        _ => format!("{days} d"),
    }
}

/// Milliseconds, or seconds where there are many.
pub fn millis(millis: u64) -> String {
    match millis {
        0..=999 => format!("{millis} ms"),
        1000..=59_999 => format!("{}.{} s", millis / 1000, millis % 1000 / 100),
        _ => span(millis / 1000),
    }
}

/// Bytes: `812 B`, `4.2 KiB`, `12 MiB`.
pub fn size(bytes: u64) -> String {
    let (mut tenths, mut unit) = (u128::from(bytes) * 10, "B");
    for next in ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] {
        if tenths < 10_240 {
            break;
        }
        (tenths, unit) = (tenths / 1024, next);
    }
    let is_small = unit != "B" && tenths < 100;
    if is_small {
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    } else {
        format!("{} {unit}", tenths / 10)
    }
}

impl File {
    /// Why it is not announced yet.
    pub fn reason(&self) -> String {
        let for_s = self.why_s.unwrap_or(self.since_s);
        match self.why {
            Why::Changed => format!("changed {} ago", span(for_s)),
            Why::OpenForWriting => format!("open for writing since {}", span(for_s)),
            Why::NoRoom => "the journal has no room".to_owned(),
            Why::NoMarker => "waits for its marker".to_owned(),
            Why::Unclear => {
                format!("cannot be looked at: {}", self.error.as_deref().unwrap_or("unknown"))
            }
        }
    }
}

impl Waiting {
    /// All that a quiet period, a writer or the journal holds back.
    pub fn all(&self) -> u64 {
        self.changed.saturating_add(self.open_for_writing).saturating_add(self.no_room)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_why_it_waits() {
        let reason = |why, why_s, error: Option<&str>| {
            let (path, error) = ("a".into(), error.map(str::to_owned));
            File { path, size: None, since_s: 20, why, why_s, error }.reason()
        };
        assert_eq!(reason(Why::OpenForWriting, Some(14), None), "open for writing since 14 s");
        assert_eq!(reason(Why::Changed, Some(14), None), "changed 14 s ago");
        assert_eq!(reason(Why::Changed, None, None), "changed 20 s ago");
        assert_eq!(reason(Why::Unclear, None, Some("EACCES")), "cannot be looked at: EACCES");
    }

    #[test]
    fn spans_and_sizes_are_as_exact_as_a_person_wants_them() {
        for (seconds, words) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3600, "1 h"),
            (7500, "2 h 5 min"),
            (36_060, "10 h"),
            (86_400, "1 d"),
            (97_200, "1 d 3 h"),
            (864_000, "10 d"),
        ] {
            assert_eq!(span(seconds), words);
        }
        for (bytes, words) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (4300, "4.1 KiB"),
            (10_240, "10 KiB"),
            (1_048_575, "1023 KiB"),
            (1_048_576, "1.0 MiB"),
            (u64::MAX, "15 EiB"),
        ] {
            assert_eq!(size(bytes), words);
        }
        assert_eq!(
            (millis(999), millis(1234), millis(61_000)),
            ("999 ms".into(), "1.2 s".into(), "1 min".into())
        );
    }
}
