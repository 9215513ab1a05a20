//! Files that could not be looked at: counted, and told once a minute. Pure.

use std::{
    io,
    time::{Duration, Instant},
};

use crate::arrival::RelPath;

/// Thousands of files can be affected at once, at every scan: one line a minute is enough for all of them.
const TELL_EVERY: Duration = Duration::from_mins(1);

/// What is to be told of one watch.
#[derive(Debug, Default)]
pub(super) struct Unclear {
    files: u64,
    example: Option<(RelPath, io::Error)>,
    next: Option<Instant>,
}

/// A line for the log.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) files: u64,
    pub(super) path: RelPath,
    pub(super) error: io::Error,
}

impl Unclear {
    pub(super) fn note(&mut self, path: RelPath, error: io::Error) {
        self.files += 1;
        self.example.get_or_insert((path, error));
    }

    /// When there will be something to tell.
    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        self.example.as_ref().map(|_| self.next.unwrap_or(now))
    }

    /// What is to be told now: the first at once, the rest together.
    pub(super) fn tell(&mut self, now: Instant) -> Option<Told> {
        if self.next.is_some_and(|next| now < next) {
            return None;
        }
        let (path, error) = self.example.take()?;
        self.next = Some(now + TELL_EVERY);
        Some(Told { files: std::mem::take(&mut self.files), path, error })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(unclear: &mut Unclear, name: &str) {
        unclear.note(RelPath::from_bytes(name.as_bytes()), io::Error::other("why"));
    }

    #[test]
    fn any_number_of_files_is_one_line_a_minute_with_the_count_and_an_example() {
        let (mut unclear, begin) = (Unclear::default(), crate::clock::mono());
        assert!(unclear.tell(begin).is_none() && unclear.deadline(begin).is_none());
        note(&mut unclear, "a");
        note(&mut unclear, "b");
        let told = unclear.tell(begin).unwrap();
        assert_eq!((told.files, told.path.as_bytes()), (2, b"a".as_slice()));
        for second in 1..60 {
            let now = begin + Duration::from_secs(second);
            note(&mut unclear, "c");
            assert!(unclear.tell(now).is_none(), "{second} s later");
            assert_eq!(
                unclear.deadline(now),
                Some(begin + TELL_EVERY),
                "the rest is not forgotten"
            );
        }
        let told = unclear.tell(begin + TELL_EVERY).unwrap();
        assert_eq!((told.files, told.path.as_bytes()), (59, b"c".as_slice()));
        assert!(unclear.tell(begin + TELL_EVERY * 9).is_none(), "nothing new");
    }
}
