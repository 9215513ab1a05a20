//! One live root: what the kernel covers of it, and what is still to be scanned.

use std::{
    collections::BTreeSet,
    io,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use tracing::{debug, info, warn};

use super::{
    Ports,
    coverage::Coverage,
    inbox::Inbox,
    pending::Batch,
    rules::{Role, Rules},
    scan::{Slice, Walk},
    sweep::Sweep,
};
use crate::{
    arrival::{
        FirstScan, Found, Kind, Present, Recall, RelPath, Report, Scanned, Sighting, Unavailable,
        Version,
    },
    clock,
    config::checked::{Backend, Initial, Watch},
    stat::{self, Place},
};

/// Entries read in one turn, so that hints are never kept waiting for long.
const SLICE_ENTRIES: usize = 512;

/// How long to leave a journal alone that could not answer.
const JOURNAL_PATIENCE: Duration = Duration::from_secs(2);

/// Places that wait for a scan; beyond that it is the whole root.
const DIRTY_MAX: usize = 4096;

/// A scan may take this part of the time at most.
const SCAN_SHARE: u32 = 100;

/// Nobody takes our reports: the watch is being stopped.
#[derive(Debug)]
pub(super) struct Abandoned;

pub(super) struct Root<'a> {
    config: &'a Watch,
    rules: Rules<'a>,
    path: Arc<Path>,
    place: Place,
    ports: &'a Ports,
    coverage: Coverage,
    unreadable: BTreeSet<RelPath>,
    /// Places to scan once the present walk has ended.
    dirty: BTreeSet<RelPath>,
    walk: Option<Tour>,
    sweep: Option<Sweep>,
    /// No scan before this: the journal could not answer.
    hold_until: Option<Instant>,
    next_rescan: Instant,
    next_poll: Instant,
    announced: bool,
}

/// A walk under way, and what it has found out.
struct Tour {
    walk: Walk,
    began: Instant,
    first: Option<FirstScan>,
    known: u64,
}

impl<'a> Root<'a> {
    /// A root that nobody has looked at yet: its first turn starts a scan of the whole.
    pub(super) fn new(
        config: &'a Watch,
        place: Place,
        inbox: &Arc<Inbox>,
        ports: &'a Ports,
    ) -> Self {
        let path: Arc<Path> = config.path.as_path().into();
        let events = match config.backend {
            Backend::Auto => place.policy.events,
            Backend::Events => true,
            Backend::Poll => false,
        };
        let now = clock::mono();
        Self {
            config,
            rules: Rules::of(config),
            coverage: Coverage::new(&config.name, &path, inbox, events),
            path,
            place,
            ports,
            unreadable: BTreeSet::new(),
            dirty: BTreeSet::from([RelPath::root()]),
            walk: None,
            sweep: None,
            hold_until: None,
            next_rescan: now,
            next_poll: now + config.poll_interval,
            announced: false,
        }
    }

    /// Takes hints in. True when the root itself may have gone.
    pub(super) fn apply(&mut self, batch: Batch) -> bool {
        let root_gone = batch.gone.contains(&RelPath::root());
        let mut entries = Vec::new();
        for path in batch.gone {
            if !path.is_root() && self.coverage.disarm(&path) {
                self.unreadable.retain(|dir| !dir.is_within(&path));
                // `mv b a` over an empty `a` is told as "a came" and then "a went".
                entries.push(path);
            }
        }
        for dir in batch.dirs {
            self.mark_dirty(dir);
        }
        let mut seen = Vec::new();
        for path in entries.into_iter().chain(batch.files).chain(batch.entries) {
            self.look(&path, &mut seen);
            if seen.len() >= SLICE_ENTRIES && self.report(std::mem::take(&mut seen)).is_err() {
                break;
            }
        }
        // A reader that stopped is found out by the next turn.
        let _stopped = self.report(seen);
        root_gone
    }

    fn mark_dirty(&mut self, dir: RelPath) {
        if !self.rules.enters(&dir) {
            return;
        }
        if self.dirty.len() >= DIRTY_MAX {
            self.dirty = BTreeSet::from([RelPath::root()]);
        } else {
            self.dirty.insert(dir);
        }
    }

    /// When [`Root::turn`] has something to do.
    pub(super) fn next_turn(&self) -> Instant {
        let is_busy = self.walk.is_some() || self.sweep.is_some() || !self.dirty.is_empty();
        if is_busy {
            return self.hold_until.unwrap_or_else(clock::mono);
        }
        let polls = self.coverage.is_blind() || self.coverage.polled().next().is_some();
        if polls { self.next_poll.min(self.next_rescan) } else { self.next_rescan }
    }

    /// One slice of whatever scan is due.
    pub(super) fn turn(&mut self, now: Instant) -> Result<(), Abandoned> {
        if self.hold_until.is_some_and(|hold| now < hold) {
            return Ok(());
        }
        self.hold_until = None;
        self.note_timers(now);
        if self.walk.is_none() && !self.dirty.is_empty() {
            self.begin(now);
        }
        if self.walk.is_some() {
            return self.step();
        }
        if let Some(sweep) = &mut self.sweep
            && let Ok(more) = sweep.step(&self.path, self.place.dir, &*self.ports.memory)
            && more
        {
            return Ok(());
        }
        self.sweep = None;
        Ok(())
    }

    fn note_timers(&mut self, now: Instant) {
        if self.walk.is_some() {
            return;
        }
        if now >= self.next_rescan || (self.coverage.is_blind() && now >= self.next_poll) {
            self.dirty.insert(RelPath::root());
        } else if now >= self.next_poll {
            self.next_poll = now + self.config.poll_interval;
            self.dirty.extend(self.coverage.polled().cloned());
        }
    }

    fn begin(&mut self, now: Instant) {
        let Ok(first) = self.ports.memory.first_scan() else { return self.hold() };
        let places = std::mem::take(&mut self.dirty);
        let walk = Walk::over(Arc::clone(&self.path), places);
        self.walk = Some(Tour { walk, began: now, first, known: 0 });
    }

    fn step(&mut self) -> Result<(), Abandoned> {
        let Some(mut tour) = self.walk.take() else { return Ok(()) };
        if !tour.walk.is_reading() {
            let Some(dir) = tour.walk.next_dir() else {
                self.end(&tour);
                return Ok(());
            };
            self.coverage.arm(&dir);
            if let Err(error) = tour.walk.enter(dir.clone()) {
                self.not_entered(&dir, &error);
                self.walk = Some(tour);
                return Ok(());
            }
            self.unreadable.remove(&dir);
        }
        let slice = match tour.walk.read(&self.rules, SLICE_ENTRIES) {
            Ok(slice) => slice,
            Err((dir, error)) => {
                self.not_entered(&dir, &error);
                self.walk = Some(tour);
                return Ok(());
            }
        };
        let Ok(seen) = self.recall(&mut tour, slice) else {
            self.dirty.extend(tour.walk.into_places());
            self.hold();
            return Ok(());
        };
        self.walk = Some(tour);
        self.report(seen)
    }

    /// Asks the journal which of these files are news.
    fn recall(&self, tour: &mut Tour, slice: Slice) -> Result<Vec<Sighting>, Unavailable> {
        if slice.files.is_empty() {
            return Ok(Vec::new());
        }
        let present = |(path, sample): &(RelPath, crate::arrival::Sample)| Present {
            path: path.clone(),
            version: Version::of(sample, slice.identity),
        };
        let entries: Vec<Present> = slice.files.iter().map(present).collect();
        let answers = self.ports.memory.recall(entries.clone())?;
        let unknown = |answer: &Recall| *answer == Recall::Unknown;
        tour.known += answers.iter().filter(|answer| !unknown(answer)).count() as u64;
        if tour.first == Some(FirstScan::AsConfigured) && self.config.initial == Initial::Baseline {
            let news =
                entries.into_iter().zip(&answers).filter(|(_, a)| unknown(a)).map(|(e, _)| e);
            self.ports.memory.baseline(news.collect())?;
            return Ok(Vec::new());
        }
        let found = if tour.first.is_some() { Found::InitialScan } else { Found::Scan };
        let news = slice.files.into_iter().zip(&answers).filter(|(_, answer)| unknown(answer));
        Ok(news.map(|((path, sample), _)| Sighting { path, sample: Some(sample), found }).collect())
    }

    fn end(&mut self, tour: &Tour) {
        let now = clock::mono();
        let took = now.saturating_duration_since(tour.began);
        debug!(watch = %self.config.name, took_ms = took.as_millis(), known = tour.known, "scanned");
        self.next_poll = now + self.config.poll_interval.max(took * 4);
        if !tour.walk.is_whole() {
            return;
        }
        self.next_rescan = now + self.config.rescan_interval.max(took * SCAN_SHARE);
        let scan = Scanned { known: tour.known, filesystem: self.place.filesystem };
        let Ok(missing) = self.ports.memory.scanned(scan) else {
            // The first scan must be seen to its end by the journal, or everything stays "initial".
            self.dirty.insert(RelPath::root());
            return self.hold();
        };
        self.sweep = missing.then(Sweep::new);
        if !self.announced {
            self.announced = true;
            info!(watch = %self.config.name, path = %self.path.display(),
                directories = self.coverage.armed_count(),
                filesystem = self.place.policy.kind,
                backend = if self.coverage.is_blind() { "poll" } else { "events" },
                "watching");
        }
    }

    fn hold(&mut self) {
        self.hold_until = Some(clock::mono() + JOURNAL_PATIENCE);
    }

    fn not_entered(&mut self, dir: &RelPath, error: &io::Error) {
        if stat::is_absence(error) {
            self.coverage.disarm(dir);
        } else if self.unreadable.insert(dir.clone()) {
            warn!(watch = %self.config.name, path = %dir, %error,
                "cannot read this directory; it is tried again at the next scan");
        }
    }

    /// Looks at an entry that the kernel hinted at.
    fn look(&mut self, path: &RelPath, seen: &mut Vec<Sighting>) {
        let role = self.rules.role(path);
        if role == Role::Ignored && !self.rules.enters(path) {
            return;
        }
        let Ok(sample) = stat::entry(&path.under(&self.path)) else { return };
        match (sample.kind, role) {
            // A chmod of a root that we read well is no news; a directory below may have moved in.
            (Kind::Dir, _) if path.is_root() && !self.unreadable.contains(path) => {}
            (Kind::Dir, _) => self.mark_dirty(path.clone()),
            (Kind::File, Role::Candidate) => {
                seen.push(Sighting {
                    path: path.clone(),
                    sample: Some(sample),
                    found: Found::Event,
                });
            }
            (Kind::File, Role::Marker { releases }) => {
                let sample = stat::entry(&releases.under(&self.path)).ok();
                seen.push(Sighting { path: releases, sample, found: Found::Event });
            }
            _ => {}
        }
    }

    fn report(&self, seen: Vec<Sighting>) -> Result<(), Abandoned> {
        if seen.is_empty() {
            return Ok(());
        }
        // Settling may have enough to do for a long time; waiting for it is not work that hangs.
        self.ports.beat.end();
        let sent = self.ports.reports.send(Report::Seen(seen)).map_err(|_| Abandoned);
        self.ports.beat.begin(clock::mono());
        sent
    }
}
