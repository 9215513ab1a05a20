//! One live root: what the kernel covers of it, and what is still to be scanned.

use std::{
    collections::{BTreeSet, HashSet},
    io,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use tracing::{debug, info, warn};

use super::{
    Ports,
    choice::Choice,
    coverage::Coverage,
    inbox::Inbox,
    pending::Batch,
    rules::{Role, Rules},
    scan::Walk,
    schedule::Schedule,
    sweep::Sweep,
    tour::Tour,
};
use crate::{
    arrival::{Found, Kind, RelPath, Report, Scanned, Sighting},
    clock,
    config::checked::Watch,
    stat::{self, Place},
    vitals::{LastScan, WatchVitals},
};

/// Entries read in one turn, so that hints are never kept waiting for long.
const SLICE_ENTRIES: usize = 512;

/// How often it is said that the kernel lost events.
const TELL_LOST_EVERY: Duration = Duration::from_secs(10);

/// Nobody takes our reports: the watch is being stopped.
#[derive(Debug)]
pub(crate) struct Abandoned;

pub(super) struct Root<'a> {
    config: &'a Watch,
    rules: Rules<'a>,
    path: Arc<Path>,
    place: Place,
    choice: Choice,
    ports: &'a Ports,
    coverage: Coverage,
    schedule: Schedule,
    unreadable: BTreeSet<RelPath>,
    tour: Option<Tour>,
    /// What joined a first scan that has to begin again.
    late: HashSet<RelPath>,
    sweep: Option<Sweep>,
    tell_lost_from: Option<Instant>,
    announced: bool,
    /// The root itself cannot be read.
    failure: Option<String>,
}

impl<'a> Root<'a> {
    /// A root that nobody has looked at yet: its first turn starts a scan of the whole.
    pub(super) fn new(
        config: &'a Watch,
        place: Place,
        inbox: &Arc<Inbox>,
        ports: &'a Ports,
        now: Instant,
    ) -> Self {
        let path: Arc<Path> = config.path.as_path().into();
        let choice = Choice::of(config, place.policy);
        let (poll, rescan) = (config.poll_interval, config.rescan_interval);
        Self {
            config,
            rules: Rules::of(config),
            coverage: Coverage::new(&config.name, &path, inbox, choice.events),
            schedule: Schedule::new(poll, rescan, now),
            path,
            place,
            choice,
            ports,
            unreadable: BTreeSet::new(),
            tour: None,
            late: HashSet::new(),
            sweep: None,
            tell_lost_from: None,
            announced: false,
            failure: None,
        }
    }

    /// The kernel lost events: everything is armed and scanned again. A walk under way goes on and is
    /// followed by another, so that a storm of losses cannot keep it at its beginning for ever.
    pub(super) fn lost(&mut self, now: Instant) {
        if self.tell_lost_from.is_none_or(|from| now >= from) {
            self.tell_lost_from = Some(now + TELL_LOST_EVERY);
            warn!(watch = %self.config.name, "the kernel lost events, scanning again");
        }
        WatchVitals::count(&self.ports.vitals.overflows, 1);
        self.coverage.renew();
        self.schedule.mark(RelPath::root());
    }

    /// Takes hints in.
    pub(super) fn apply(&mut self, batch: Batch) {
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
        entries.extend(batch.files.into_iter().chain(batch.entries));
        // In the order of names: what lies together is looked at together, and a run can be repeated.
        entries.sort_unstable();
        let mut seen = Vec::new();
        for path in entries {
            self.look(&path, &mut seen);
            if seen.len() >= SLICE_ENTRIES && self.report(std::mem::take(&mut seen)).is_err() {
                break;
            }
        }
        // A reader that stopped is found out by the next turn.
        let _stopped = self.report(seen);
    }

    /// Has `dir` scanned: if it is new, by the walk under way, for that may take long. One that is watched
    /// already joins no walk: a chmod during a first scan does not make its content late.
    fn mark_dirty(&mut self, dir: RelPath) {
        if !self.rules.enters(&dir) {
            return;
        }
        let id = stat::dir_id(&dir.under(&self.path), dir.is_root());
        let is_old = id.is_ok_and(|id| self.coverage.is_armed(&dir, id));
        if is_old || !self.tour.as_mut().is_some_and(|tour| tour.walk.join(&dir)) {
            self.schedule.mark(dir);
        }
    }

    /// When [`Root::turn`] has something to do.
    pub(super) fn next_turn(&self, now: Instant) -> Instant {
        let is_busy = self.tour.is_some() || self.sweep.is_some();
        self.schedule.next_turn(is_busy, self.coverage.polled(), now)
    }

    /// Why the root itself cannot be read, once.
    pub(super) fn failure(&mut self) -> Option<String> {
        self.failure.take()
    }

    /// One slice of whatever scan is due.
    pub(super) fn turn(&mut self, now: Instant) -> Result<(), Abandoned> {
        if self.schedule.is_held(now) {
            return Ok(());
        }
        if self.tour.is_none() {
            self.begin(now);
        }
        if let Some(tour) = self.tour.take() {
            return self.step(tour);
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

    /// Begins a walk, if anything is due.
    fn begin(&mut self, now: Instant) {
        if self.schedule.expire(self.coverage.polled(), now) {
            for dir in self.coverage.polled_places() {
                self.schedule.mark(dir.clone());
            }
        }
        let Some(places) = self.schedule.take() else { return };
        let Ok(first) = self.ports.memory.first_scan() else {
            return self.put_off(places);
        };
        let mut walk = Walk::over(Arc::clone(&self.path), places);
        for dir in std::mem::take(&mut self.late) {
            walk.join(&dir);
        }
        self.tour = Some(Tour::new(walk, first, now));
    }

    /// The journal could not answer: these places are scanned when it may.
    fn put_off(&mut self, places: impl IntoIterator<Item = RelPath>) {
        for place in places {
            self.schedule.mark(place);
        }
        self.schedule.hold(clock::mono());
    }

    /// The same walk from its beginning. What joined a first scan late stays late.
    fn begin_again(&mut self, tour: Tour) {
        let is_first = tour.is_first();
        let (places, late) = tour.walk.into_places();
        if is_first {
            self.late = late;
        }
        self.put_off(places);
    }

    fn step(&mut self, mut tour: Tour) -> Result<(), Abandoned> {
        if !tour.walk.is_reading() && !self.enter_next(&mut tour) {
            self.end(tour);
            return Ok(());
        }
        let slice = match tour.walk.read(&self.rules, SLICE_ENTRIES) {
            Ok(slice) => slice,
            Err((dir, error)) => {
                self.not_entered(&dir, &error);
                self.tour = Some(tour);
                return Ok(());
            }
        };
        let Ok(seen) = tour.news(self.config, &*self.ports.memory, slice) else {
            self.begin_again(tour);
            return Ok(());
        };
        self.tour = Some(tour);
        self.report(seen)
    }

    /// Opens and arms the next directory, before anything of it is read; false when there is none left.
    fn enter_next(&mut self, tour: &mut Tour) -> bool {
        let Some(place) = tour.walk.next_dir() else { return false };
        let dir = place.rel.clone();
        let entered = stat::dir_id(&dir.under(&self.path), dir.is_root()).and_then(|id| {
            let entered = tour.walk.enter(place);
            match &entered {
                Ok(policy) if !Choice::of(self.config, *policy).events => {
                    self.coverage.rely_on_scans(&dir, policy.kind);
                }
                _ => self.coverage.arm(&dir, id, tour.walk.is_whole()),
            }
            entered
        });
        match entered {
            Ok(_) => {
                self.unreadable.remove(&dir);
            }
            Err(error) => self.not_entered(&dir, &error),
        }
        true
    }

    fn end(&mut self, tour: Tour) {
        let now = clock::mono();
        let took = now.saturating_duration_since(tour.began);
        debug!(watch = %self.config.name, took_ms = took.as_millis(), known = tour.known, "scanned");
        let whole = tour.walk.is_whole();
        self.schedule.ended(whole, took, now);
        self.publish();
        if !whole {
            return;
        }
        self.ports.vitals.scanned(LastScan { ended: now, took, other_size: tour.other_size });
        let first = tour.first;
        let scan = Scanned { known: tour.known, filesystem: self.place.filesystem, first };
        let Ok(missing) = self.ports.memory.scanned(scan) else {
            // The first scan must be seen to its end by the journal, or everything stays "initial".
            return self.begin_again(tour);
        };
        self.sweep = missing.then(Sweep::new);
        if !self.announced {
            self.announced = true;
            info!(watch = %self.config.name, path = %self.path.display(),
                directories = self.coverage.armed_count(),
                filesystem = self.place.policy.kind,
                backend = self.coverage.backend(), because = self.choice.reason(self.coverage.polled()),
                writer_detection = self.choice.leases, identity = self.place.policy.told_apart_by(),
                "watching");
        }
    }

    fn publish(&self) {
        let (armed, polled) = (self.coverage.armed_count(), self.coverage.polled_count());
        self.ports.vitals.change(|looks| {
            looks.backend = self.coverage.backend();
            looks.filesystem = self.place.policy.kind;
            looks.armed = armed as u64;
            looks.polled = polled as u64;
            looks.unreadable = self.unreadable.len() as u64;
        });
    }

    fn not_entered(&mut self, dir: &RelPath, error: &io::Error) {
        if stat::is_absence(error) {
            self.coverage.disarm(dir);
        } else if dir.is_root() {
            self.failure = Some(error.to_string());
        } else if self.unreadable.insert(dir.clone()) {
            warn!(watch = %self.config.name, path = %dir, %error,
                "cannot read this directory; it is tried again at the next scan");
        }
        if stat::is_shortage(error) {
            self.schedule.again_soon(dir.clone(), clock::mono());
        }
    }

    /// Looks at an entry that the kernel hinted at.
    fn look(&mut self, path: &RelPath, seen: &mut Vec<Sighting>) {
        let role = self.rules.role(path);
        let sample = match stat::entry(&path.under(&self.path)) {
            Ok(sample) => sample,
            Err(error) if stat::is_absence(&error) => return,
            // A scan of its directory calls it by another name, or leads to a line that says why it cannot.
            Err(_) => return self.mark_dirty(path.parent()),
        };
        if sample.kind == Kind::File && sample.witness.nlink > 1 {
            // The kernel names one of its names, and what it was under the others has changed, too.
            self.schedule.hasten();
        }
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
        self.ports.send(Report::Seen(seen))
    }
}
