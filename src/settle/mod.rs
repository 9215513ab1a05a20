//! Stage 2: sightings become [`Settled`](crate::arrival::Settled) files once they are whole.
//!
//! One thread per watch. This file waits: for reports of the watch stage, for the earliest deadline.
//! `tracker` and `pace` decide (and `unclear`, what is told), `probe` looks, `recording` hands over.

mod aside;
mod pace;
mod probe;
mod recording;
mod tracker;
mod unclear;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError},
    },
    thread::{self, Thread},
    time::{Duration, Instant},
};

use tracing::{debug, info, warn};

use self::{
    aside::Aside,
    pace::Pace,
    probe::Places,
    recording::UnderWay,
    tracker::{Outcome, Step, Stuck, Tracker, Writers},
    unclear::{Told, Unclear},
};
use crate::{
    arrival::{Recorder, RelPath, Report, Sample},
    clock,
    config::checked::Watch,
    filesystem::Policy,
    notice::{About, Kind, Notice, Notices},
    stall, stat,
    stop::Alive,
    vitals::{WatchVitals, Why},
};

/// Files looked at, and recorded, in one go: enough to fill a group commit.
const BATCH: usize = 128;

/// Memory for the candidates of one watch, about 30,000 short names. Beyond that its reports wait, and
/// with them its scans.
const CANDIDATE_BYTES_MAX: usize = 10 << 20;

/// What is waited for is published at most so often: it means going through all of it.
const PUBLISH_EVERY: Duration = Duration::from_secs(1);

/// What the stage needs from outside.
pub struct Ports {
    /// What the watch stage of the same root reports.
    pub reports: Receiver<Report>,
    /// Where settled files go.
    pub recorder: Box<dyn Recorder>,
    /// What is said about this watch.
    pub vitals: Arc<WatchVitals>,
    /// Held until the thread ends.
    pub alive: Alive,
    /// Where operators are told.
    pub notices: Notices,
}

/// A running stage.
pub struct Handle {
    stopped: Arc<AtomicBool>,
    thread: Thread,
}

impl Handle {
    /// Has the thread end by itself. Without room for reports it would not see that the watch stage has: that
    /// one waits for room.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// Starts settling. The thread ends when it is stopped, or when the watch stage hangs up.
pub fn start(config: Watch, ports: Ports) -> io::Result<Handle> {
    let name = format!("settle {}", config.name);
    let stage = Stage::new(config, ports);
    let stopped = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stopped);
    let running = thread::Builder::new().name(name).spawn(move || stage.run(&told))?;
    Ok(Handle { stopped, thread: running.thread().clone() })
}

/// The settling of one watch between two waits.
pub(crate) struct Stage {
    config: Watch,
    ports: Ports,
    tracker: Tracker,
    pace: Pace,
    /// What the journal is recording.
    under_way: Option<UnderWay>,
    next_stuck: Option<Instant>,
    unclear: Unclear,
    /// Whether it was told that writers cannot be asked for.
    blind: bool,
    /// What is not waited for here, and not announced either.
    aside: Aside,
    /// What was published is not true any more.
    stale: bool,
    publish_at: Instant,
}

impl Stage {
    pub(crate) fn new(config: Watch, ports: Ports) -> Self {
        Self {
            tracker: Tracker::new(config.quiet, config.poll_interval),
            config,
            ports,
            pace: Pace::default(),
            under_way: None,
            next_stuck: None,
            unclear: Unclear::default(),
            blind: false,
            aside: Aside::default(),
            stale: false,
            publish_at: clock::mono(),
        }
    }

    fn run(mut self, stopped: &AtomicBool) {
        while !stopped.load(Ordering::Acquire) {
            let patience = self.patience();
            self.ports.vitals.settles.wait_until(clock::mono() + patience);
            if self.has_room() {
                match self.ports.reports.recv_timeout(patience) {
                    Ok(report) => self.take(report),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            } else {
                thread::park_timeout(patience);
            }
            self.take_reports();
            let now = clock::mono();
            self.ports.vitals.settles.begin(now);
            stall::here("settle");
            self.step(now);
        }
    }

    /// Whether more reports may be taken in.
    fn has_room(&self) -> bool {
        self.tracker.bytes() < CANDIDATE_BYTES_MAX
    }

    /// Takes in what has been reported, without waiting.
    pub(crate) fn take_reports(&mut self) {
        while self.has_room() {
            let Ok(report) = self.ports.reports.try_recv() else { return };
            self.take(report);
        }
    }

    /// Looks at files whose time has come, and records those that are whole.
    pub(crate) fn step(&mut self, now: Instant) {
        if self.is_due(now) {
            self.look_at_due(now);
        }
        if !self.is_due(now) {
            self.take_answers(); // before a wait: what is refused has a time of its own
        }
        self.name_stuck(now);
        self.name_unclear(now);
        self.publish(now);
    }

    fn is_due(&self, now: Instant) -> bool {
        self.pace.next_look(&self.tracker).is_some_and(|look| now >= look)
    }

    /// How long there is nothing to do. With nothing waiting, until the next report.
    pub(crate) fn patience(&self) -> Duration {
        const FOREVER: Duration = Duration::from_hours(24);
        let now = clock::mono();
        let look = self.pace.next_look(&self.tracker);
        let stuck = look.and(self.next_stuck);
        let publish = self.stale.then_some(self.publish_at);
        let wake = [look, stuck, publish, self.unclear.deadline(now)].into_iter().flatten().min();
        wake.map_or(FOREVER, |wake| wake.saturating_duration_since(now))
    }

    fn take(&mut self, report: Report) {
        match report {
            Report::Armed(policy) => self.adopt(policy),
            Report::Seen(sightings) => {
                let now = clock::mono();
                self.stale = true;
                for sighting in sightings {
                    self.tracker.sighted(sighting, now);
                }
            }
        }
    }

    fn adopt(&mut self, policy: Policy) {
        let quiet = self.tracker.adopt(policy);
        let asks = self.config.writer_detection && policy.lease;
        debug!(watch = %self.config.name, filesystem = policy.kind, writer_detection = asks,
            quiet_ms = quiet.as_millis(), "settling");
    }

    fn look_at_due(&mut self, now: Instant) {
        let due = self.tracker.due(now, BATCH);
        self.stale |= !due.is_empty();
        let mut whole = Vec::with_capacity(due.len());
        let mut places = Places::default();
        for (path, before) in due {
            self.ports.vitals.settles.look(clock::mono());
            let outcome = self.look(&path, before.as_ref(), &mut places);
            self.set_aside(&path, &outcome, now);
            match self.tracker.looked(&path, &outcome, now) {
                Step::Settled(settled, writers) => {
                    self.note_writers(&path, writers);
                    whole.push(settled);
                }
                Step::HeldByWriter { first: true } => {
                    info!(watch = %self.config.name, %path, "waiting for writer");
                }
                Step::Dropped | Step::Waits => {
                    if let Outcome::Unclear(error) | Outcome::Short(error) = outcome {
                        self.unclear.note(path, error);
                    }
                }
                Step::HeldByWriter { .. } => {}
            }
        }
        self.ports.vitals.settles.begin(clock::mono());
        if !whole.is_empty() {
            self.hand_over(whole);
        }
    }

    /// What is not waited for, because another event or scan has to come first, is named all the same.
    fn set_aside(&mut self, path: &RelPath, outcome: &Outcome, now: Instant) {
        let why = match outcome {
            Outcome::NoMarker => Why::NoMarker,
            Outcome::Unclear(error) => Why::Unclear { error: error.to_string() },
            Outcome::OtherSize => {
                WatchVitals::count(&self.ports.vitals.ignored, 1);
                return;
            }
            Outcome::Writing | Outcome::Short(_) => return,
            Outcome::Looked { .. } | Outcome::Gone | Outcome::NotAFile => {
                self.aside.take(path);
                return;
            }
        };
        self.aside.put(path, why, now, self.ports.vitals.scans());
    }

    fn publish(&mut self, now: Instant) {
        if !self.stale || now < self.publish_at {
            return;
        }
        self.stale = false;
        self.publish_at = now + PUBLISH_EVERY;
        let mut list = self.tracker.waiting();
        list.aside = self.aside.list();
        self.ports.vitals.set_waiting(list);
    }

    fn look(&self, path: &RelPath, before: Option<&Sample>, places: &mut Places) -> Outcome {
        match self.is_released(path) {
            Ok(true) => {}
            Ok(false) => return Outcome::NoMarker,
            Err(error) => return probe::failed(error),
        }
        let root = &self.config.path;
        let policy = match places.policy(root, path.parent()) {
            Ok(policy) => policy,
            Err(error) => return probe::failed(error),
        };
        match probe::look(&path.under(root), policy, before, self.config.writer_detection) {
            Outcome::Looked { sample, .. }
                if before == Some(&sample) && !self.config.takes_size(sample.size) =>
            {
                Outcome::OtherSize
            }
            outcome => outcome,
        }
    }

    /// Whether the marker of `path` is there, if one is asked for. An error says nothing about it.
    fn is_released(&self, path: &RelPath) -> io::Result<bool> {
        let Some(marker) = &self.config.done_marker else { return Ok(true) };
        stat::exists(&marker.of(path).under(&self.config.path))
    }

    fn note_writers(&mut self, path: &RelPath, writers: Writers) {
        debug!(watch = %self.config.name, %path, writers = ?writers, "settled");
        if !self.config.writer_detection || writers != Writers::NoOpinion {
            return;
        }
        WatchVitals::count(&self.ports.vitals.unasked, 1);
        if !self.blind {
            self.blind = true;
            warn!(watch = %self.config.name, %path,
                "cannot see who has files of other users open: without CAP_LEASE only the quiet period protects them");
        }
    }

    fn name_unclear(&mut self, now: Instant) {
        if let Some(Told { files, path, error }) = self.unclear.tell(now) {
            warn!(watch = %self.config.name, files, %path, %error,
                "cannot look at files, this one for example; they are tried again at the next event or scan");
        }
    }

    fn notice(&self, kind: Kind) -> Notice {
        Notice::new(kind, About::Watch(self.config.name.clone()))
    }

    fn name_stuck(&mut self, now: Instant) {
        if self.tracker.len() == 0 {
            self.next_stuck = None;
            return;
        }
        let step =
            (self.config.stuck_after / 8).clamp(Duration::from_secs(1), Duration::from_mins(1));
        if self.next_stuck.is_some_and(|next| now < next) {
            return;
        }
        self.next_stuck = Some(now + step);
        let Stuck { named, others } = self.tracker.stuck(self.config.stuck_after, now);
        for (path, age) in named {
            warn!(watch = %self.config.name, %path, waiting_s = age.as_secs(), "this file does not settle");
            let stuck = self.notice(Kind::FileStuck).text("path", path.to_string());
            self.ports.notices.tell(stuck.number("waiting_s", age.as_secs()));
        }
        if others > 0 {
            warn!(watch = %self.config.name, files = others, "more files do not settle");
        }
    }
}
