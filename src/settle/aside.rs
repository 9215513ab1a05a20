//! Files that are not waited for and not announced either: they lack their marker, or cannot be looked at.
//! Whatever changes that is a new sighting; until then they are named to whoever asks. Pure.

use std::{collections::HashMap, time::Instant};

use crate::{
    arrival::RelPath,
    vitals::{SHOWN_MAX, Waiting, Why},
};

/// The last of them that were met, at most [`SHOWN_MAX`].
#[derive(Debug, Default)]
pub(super) struct Aside(HashMap<RelPath, (Waiting, u64)>);

impl Aside {
    /// Names a file. `scans` is the number of whole scans that have ended: one that is not met again by later
    /// ones is gone.
    pub(super) fn put(&mut self, path: &RelPath, why: Why, now: Instant, scans: u64) {
        let since = self.0.get(path).map_or(now, |(waiting, _)| waiting.since);
        let waiting = Waiting { path: path.clone(), size: None, since, why };
        self.0.insert(path.clone(), (waiting, scans));
        if self.0.len() > SHOWN_MAX {
            let stalest = self.0.values().min_by_key(|(waiting, scans)| (*scans, waiting.since));
            if let Some(path) = stalest.map(|(waiting, _)| waiting.path.clone()) {
                self.0.remove(&path);
            }
        }
    }

    /// A file is waited for again, or is gone; whether it was named.
    pub(super) fn take(&mut self, path: &RelPath) -> bool {
        !self.0.is_empty() && self.0.remove(path).is_some()
    }

    /// All of them, longest first.
    pub(super) fn list(&self) -> Vec<(Waiting, u64)> {
        let mut list: Vec<_> = self.0.values().cloned().collect();
        list.sort_by(|(a, _), (b, _)| (a.since, &a.path).cmp(&(b.since, &b.path)));
        list
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_last_that_were_met_are_named_and_the_first_meeting_counts() {
        let (mut aside, begin) = (Aside::default(), crate::clock::mono());
        let path = |n: usize| RelPath::from_bytes(format!("{n:03}").as_bytes());
        for n in 0..SHOWN_MAX + 10 {
            let now = begin + Duration::from_secs(n as u64);
            aside.put(&path(n), Why::NoMarker, now, 0);
        }
        let named: Vec<_> = aside.list().into_iter().map(|(waiting, _)| waiting.path).collect();
        assert_eq!(named, (10..SHOWN_MAX + 10).map(path).collect::<Vec<_>>());
        aside.put(&path(10), Why::NoMarker, begin + Duration::from_hours(1), 1);
        assert_eq!(aside.list()[0].0.since, begin + Duration::from_secs(10));
        assert!(aside.take(&path(10)) && !aside.take(&path(10)));
    }
}
