//! What was true of each name, and when: against this the announcements are judged.

use std::{collections::BTreeMap, time::Duration};

use crate::arrival::{EventId, Name, RelPath, Version};

/// A stretch of time during which a name meant one version of one file.
#[derive(Debug)]
pub(crate) struct Epoch {
    pub(crate) id: EventId,
    version: Version,
    pub(crate) start: Duration,
    /// When something was done to it last, whether that changed it or not.
    pub(crate) touched: Duration,
    end: Option<Duration>,
    /// How many had it open for writing, from when on.
    writers: Vec<(Duration, u32)>,
}

/// By which a file counts as whole, while a configuration holds.
pub(crate) struct Terms {
    pub(crate) from: Duration,
    pub(crate) until: Duration,
    pub(crate) quiet: Duration,
    /// Whether writers can be asked for.
    pub(crate) asks: bool,
    /// What releases it.
    pub(crate) marker: Option<RelPath>,
}

type Span = (Duration, Duration);

const ALWAYS: Span = (Duration::ZERO, Duration::MAX);

impl Epoch {
    /// Whether there was a moment when nothing had changed for a quiet period, nobody was writing, and the
    /// marker was there. Whoever looks from some time on can have seen no quiet period that began before.
    fn was_whole(&self, terms: &Terms, released: &[Span], now: Duration) -> bool {
        let from = self.start.max(terms.from) + terms.quiet;
        let to = self.end.unwrap_or(now).min(now).min(terms.until);
        let unwritten = if terms.asks { self.unwritten() } else { vec![ALWAYS] };
        let meet = |a: &Span, b: &Span| a.0.max(b.0).max(from) <= a.1.min(b.1).min(to);
        unwritten.iter().any(|a| released.iter().any(|b| meet(a, b)))
    }

    fn unwritten(&self) -> Vec<Span> {
        let ends = self.writers.iter().skip(1).map(|(at, _)| *at).chain([Duration::MAX]);
        let spans = self.writers.iter().zip(ends);
        spans.filter(|((_, count), _)| *count == 0).map(|((at, _), end)| (*at, end)).collect()
    }

    /// Whether somebody writes it now.
    pub(crate) fn is_written(&self) -> bool {
        self.writers.last().is_some_and(|(_, count)| *count > 0)
    }
}

/// How an announcement compares with what was true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judged {
    Whole,
    /// It was like that, but not whole yet.
    Early,
    /// It never was like that.
    Invented,
    /// Its name did not count.
    NotMeant,
}

/// All epochs of one watch.
pub(crate) struct Epochs {
    instance: String,
    watch: Name,
    of: BTreeMap<RelPath, Vec<Epoch>>,
}

impl Epochs {
    pub(crate) fn new(instance: &str, watch: Name) -> Self {
        Self { instance: instance.to_owned(), watch, of: BTreeMap::new() }
    }

    /// Whose arrivals these are.
    pub(crate) fn watch(&self) -> &Name {
        &self.watch
    }

    /// What `path` means now: nothing, or this version with so many writers.
    pub(crate) fn note(&mut self, path: &RelPath, found: Option<(Version, u32)>, now: Duration) {
        let epochs = self.of.entry(path.clone()).or_default();
        let open = epochs.last_mut().filter(|epoch| epoch.end.is_none());
        match (open, found) {
            (Some(open), Some((version, writers))) if open.version == version => {
                if open.writers.last().is_none_or(|(_, count)| *count != writers) {
                    open.writers.push((now, writers));
                }
                open.touched = now;
                return;
            }
            (Some(open), _) => open.end = Some(now),
            (None, _) => {}
        }
        if let Some((version, writers)) = found {
            let id = EventId::of(&self.instance, &self.watch, path, &version);
            let writers = vec![(now, writers)];
            epochs.push(Epoch { id, version, start: now, touched: now, end: None, writers });
        }
    }

    /// `terms`: those under which a file of this name counts.
    pub(crate) fn judge(
        &self,
        path: &RelPath,
        id: EventId,
        terms: &[Terms],
        now: Duration,
    ) -> Judged {
        let mut same = self.epochs(path).iter().filter(|epoch| epoch.id == id).peekable();
        if same.peek().is_none() {
            return Judged::Invented;
        }
        if terms.is_empty() {
            return Judged::NotMeant;
        }
        let released: Vec<_> =
            terms.iter().map(|terms| self.there(terms.marker.as_ref())).collect();
        let was_whole = |epoch: &Epoch| {
            terms.iter().zip(&released).any(|(terms, spans)| epoch.was_whole(terms, spans, now))
        };
        if same.any(was_whole) { Judged::Whole } else { Judged::Early }
    }

    fn epochs(&self, path: &RelPath) -> &[Epoch] {
        self.of.get(path).map(Vec::as_slice).unwrap_or_default()
    }

    /// When there was something of this name, if it is asked for.
    fn there(&self, marker: Option<&RelPath>) -> Vec<Span> {
        let Some(marker) = marker else { return vec![ALWAYS] };
        let epochs = self.epochs(marker).iter();
        epochs.map(|epoch| (epoch.start, epoch.end.unwrap_or(Duration::MAX))).collect()
    }

    /// What a name means now.
    pub(crate) fn current(&self, path: &RelPath) -> Option<&Epoch> {
        self.epochs(path).last().filter(|epoch| epoch.end.is_none())
    }

    /// Whose id this is, if it is that of anything that ever was.
    pub(crate) fn path_of(&self, id: EventId) -> Option<&RelPath> {
        let mut all = self.of.iter();
        all.find(|(_, epochs)| epochs.iter().any(|epoch| epoch.id == id)).map(|(path, _)| path)
    }

    /// Files that are there now, under the ids that they must have been announced by.
    pub(crate) fn present(&self) -> impl Iterator<Item = (&RelPath, EventId)> {
        let last = |(path, epochs): (_, &Vec<Epoch>)| {
            epochs.last().filter(|epoch| epoch.end.is_none()).map(|epoch| (path, epoch.id))
        };
        self.of.iter().filter_map(last)
    }
}
