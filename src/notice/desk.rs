//! When a notice goes out. Pure.
//!
//! Of each kind and subject at most one a minute: what happens meanwhile is counted, and the last of it is
//! told when the minute is over. So a thousand dead letters are one notice and not a thousand, and nobody
//! who flaps can fill the outbox.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{About, Kind, Notice, Told};

/// Between two notices of one kind and subject.
const EVERY: Duration = Duration::from_mins(1);

/// Kinds and subjects that are remembered at once. There are eight kinds, and the subjects are in the
/// configuration; what is beyond is not told.
const TOPICS_MAX: usize = 4096;

/// What waits to be told, and what was told just now.
#[derive(Debug, Default)]
pub(super) struct Desk {
    topics: BTreeMap<(Kind, About), Topic>,
    noted: u64,
}

#[derive(Debug)]
struct Topic {
    /// Nothing goes out before this.
    free_at: Instant,
    waiting: Option<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    told: Told,
    /// Counts all notices: what happened first is told first.
    order: u64,
}

impl Desk {
    /// It has happened.
    pub(super) fn note(&mut self, notice: Notice, now: Instant) {
        self.topics.retain(|_, topic| topic.waiting.is_some() || topic.free_at > now);
        let key = (notice.kind, notice.about.clone());
        if self.topics.len() >= TOPICS_MAX && !self.topics.contains_key(&key) {
            return;
        }
        let topic = self.topics.entry(key).or_insert(Topic { free_at: now, waiting: None });
        self.noted += 1;
        let order = self.noted;
        let count = topic.waiting.as_ref().map_or(0, |waiting| waiting.told.count) + 1;
        topic.waiting = Some(Waiting { told: Told { notice, count }, order });
    }

    /// The next one that may go out, the earliest first.
    pub(super) fn take(&mut self, now: Instant) -> Option<Told> {
        let free = self.topics.values_mut().filter(|topic| topic.free_at <= now);
        let order = |topic: &Topic| topic.waiting.as_ref().map(|waiting| waiting.order);
        let first = free.filter(|topic| topic.waiting.is_some()).min_by_key(|t| order(t))?;
        first.free_at = now + EVERY;
        first.waiting.take().map(|waiting| waiting.told)
    }

    /// When [`Desk::take`] has something, if nothing else happens.
    pub(super) fn next(&self, now: Instant) -> Option<Instant> {
        let waiting = self.topics.values().filter(|topic| topic.waiting.is_some());
        waiting.map(|topic| topic.free_at.max(now)).min()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{arrival::Name, clock};

    fn notice(kind: Kind, endpoint: usize) -> Notice {
        Notice::new(kind, About::Endpoint(Name::parse(&format!("e{endpoint}")).unwrap()))
    }

    #[test]
    fn what_happens_first_is_told_first_and_a_repetition_waits() {
        let (mut desk, now) = (Desk::default(), clock::mono());
        desk.note(notice(Kind::EndpointRecovered, 1), now);
        desk.note(notice(Kind::EndpointFailing, 1), now);
        assert_eq!(desk.next(now), Some(now));
        let kinds: Vec<_> = std::iter::from_fn(|| desk.take(now)).map(|t| t.notice.kind).collect();
        assert_eq!(kinds, [Kind::EndpointRecovered, Kind::EndpointFailing]);
        for _ in 0..5 {
            desk.note(notice(Kind::EndpointFailing, 1), now + Duration::from_secs(9));
        }
        assert_eq!(desk.take(now + Duration::from_secs(59)), None);
        assert_eq!(desk.next(now), Some(now + EVERY));
        assert_eq!(desk.take(now + EVERY).map(|told| told.count), Some(5));
        assert_eq!(desk.next(now + EVERY), None);
    }

    proptest! {
        /// Whatever happens when: each kind and subject goes out at most once a minute, and in the end every
        /// happening is in one of the counts.
        #[test]
        fn nothing_is_told_too_often_and_nothing_goes_uncounted(
            steps in prop::collection::vec((0..3usize, 0..3usize, 0..90u64), 0..200),
        ) {
            let kinds = [Kind::EventDead, Kind::EndpointFailing, Kind::OutboxFull];
            let (mut desk, start) = (Desk::default(), clock::mono());
            let mut now = start;
            let mut told: Vec<(Instant, Told)> = Vec::new();
            for (kind, endpoint, wait) in &steps {
                desk.note(notice(kinds[*kind], *endpoint), now);
                told.extend(std::iter::from_fn(|| desk.take(now)).map(|one| (now, one)));
                now += Duration::from_secs(*wait);
            }
            while let Some(at) = desk.next(now) {
                now = at;
                told.extend(std::iter::from_fn(|| desk.take(now)).map(|one| (now, one)));
            }
            let counted: u64 = told.iter().map(|(_, one)| one.count).sum();
            prop_assert_eq!(counted, steps.len() as u64);
            for (at, one) in &told {
                let again = told.iter().filter(|(other_at, other)| {
                    other.notice.kind == one.notice.kind && other.notice.about == one.notice.about
                        && other_at >= at && *other_at < *at + EVERY
                });
                prop_assert_eq!(again.count(), 1);
            }
        }
    }
}
