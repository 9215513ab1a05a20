//! Which files do not become whole, as operators are told.

use std::time::{Duration, Instant};

use super::Tracker;
use crate::arrival::RelPath;

/// Files that are told by name at once. Tens of thousands may be in one directory that nobody closes.
const NAMED_MAX: usize = 10;

/// Files that have not settled for too long, and were not told before.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Stuck {
    /// Those that have not for longest, with the time.
    pub(crate) named: Vec<(RelPath, Duration)>,
    /// How many others there are.
    pub(crate) others: usize,
}

impl Tracker {
    /// Files that have not been whole for `after` or longer; each is told once. One that was whole, and that the
    /// journal has no room for, is none of them, nor is one whose time has come: it waits for us.
    pub(crate) fn stuck(&mut self, after: Duration, now: Instant) -> Stuck {
        let mut named = Vec::new();
        for (path, candidate) in &mut self.waiting {
            let age = now.saturating_duration_since(candidate.unsettled_since);
            let waits_for_us = candidate.refused || candidate.until <= now;
            if age >= after && !waits_for_us && !candidate.told {
                candidate.told = true;
                named.push((path.clone(), age));
            }
        }
        named.sort_unstable_by(|(path, age), (other, than)| (than, path).cmp(&(age, other)));
        let others = named.len().saturating_sub(NAMED_MAX);
        named.truncate(NAMED_MAX);
        Stuck { named, others }
    }
}
