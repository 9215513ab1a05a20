//! What was true of each name, and when: against this the announcements are judged.

use std::{collections::BTreeMap, time::Duration};

use crate::arrival::{EventId, Name, RelPath, Version};

/// A stretch of time during which a name meant one version of one file.
#[derive(Debug)]
pub(crate) struct Epoch {
    pub(crate) id: EventId,
    version: Version,
    start: Duration,
    end: Option<Duration>,
    /// How many had it open for writing, from when on.
    writers: Vec<(Duration, u32)>,
}

impl Epoch {
    /// Whether there was a moment when nothing had changed for `quiet`, and nobody was writing.
    fn was_whole(&self, quiet: Duration, ask: bool, now: Duration) -> bool {
        let (from, to) = (self.start + quiet, self.end.unwrap_or(now).min(now));
        if from > to || !ask {
            return from <= to;
        }
        let ends = self.writers.iter().skip(1).map(|(at, _)| *at).chain([Duration::MAX]);
        self.writers.iter().zip(ends).any(|((begin, count), end)| {
            *count == 0 && (*begin).max(from) <= end.min(to) && end >= from
        })
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

    /// What `path` means now: nothing, or this version with so many writers.
    pub(crate) fn note(&mut self, path: &RelPath, found: Option<(Version, u32)>, now: Duration) {
        let epochs = self.of.entry(path.clone()).or_default();
        let open = epochs.last_mut().filter(|epoch| epoch.end.is_none());
        match (open, found) {
            (Some(open), Some((version, writers))) if open.version == version => {
                if open.writers.last().is_none_or(|(_, count)| *count != writers) {
                    open.writers.push((now, writers));
                }
                return;
            }
            (Some(open), _) => open.end = Some(now),
            (None, _) => {}
        }
        if let Some((version, writers)) = found {
            let id = EventId::of(&self.instance, &self.watch, path, &version);
            let writers = vec![(now, writers)];
            epochs.push(Epoch { id, version, start: now, end: None, writers });
        }
    }

    pub(crate) fn judge(
        &self,
        path: &RelPath,
        id: EventId,
        quiet: Duration,
        ask: bool,
        now: Duration,
    ) -> Judged {
        let all = self.of.get(path).map(Vec::as_slice).unwrap_or_default();
        let mut same = all.iter().filter(|epoch| epoch.id == id).peekable();
        if same.peek().is_none() {
            return Judged::Invented;
        }
        if same.any(|epoch| epoch.was_whole(quiet, ask, now)) {
            Judged::Whole
        } else {
            Judged::Early
        }
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
