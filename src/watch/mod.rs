//! Stage 1: kernel events and scans become [`Sighting`](crate::arrival::Sighting)s.
//!
//! One thread per watch does all of its looking, so that a root that hangs stalls itself only (P6). This
//! file waits: for hints, for the next slice of a scan, for a timer. `pending`, `rules` and `schedule` decide,
//! `coverage` and `scan` act, `root` and `tour` are the state in between. Every kind of loss has one answer: scan that place.

mod breath;
mod choice;
mod coverage;
pub(crate) mod inbox;
pub(crate) mod pending;
mod root;
mod rules;
mod scan;
mod schedule;
mod sweep;
#[cfg(test)]
mod tests;
mod tour;

use std::{
    io,
    path::PathBuf,
    sync::{Arc, mpsc::SyncSender},
    thread,
    time::{Duration, Instant},
};

use tracing::{info, warn};

use self::{
    breath::Breath,
    inbox::Inbox,
    pending::Batch,
    root::{Abandoned, Root},
};
use crate::{
    arrival::{Memory, RelPath, Report},
    clock,
    config::checked,
    directory::Directory,
    kernel::Hint,
    notice::{About, Kind, Notice, Notices},
    stall,
    stat::{self, Place},
    stop::Alive,
    vitals::{Sight, WatchVitals},
};

/// Hints that wait per watch, in bytes: about 25,000 short names.
const HINT_BYTES_MAX: usize = 2 << 20;

/// How often a missing root is looked for.
const MISSING_CHECK: Duration = Duration::from_secs(1);

/// How often a live root is compared with what its path means now. The kernel tells when it is moved or
/// covered by a mount, and is silent when a directory above it is.
const PLACE_CHECK: Duration = Duration::from_secs(30);

/// What the stage needs from outside.
pub struct Ports {
    /// Sightings go here; full means that settling has enough to do, and scanning waits.
    pub reports: SyncSender<Report>,
    /// What was announced before.
    pub memory: Box<dyn Memory>,
    /// What is said about this watch.
    pub vitals: Arc<WatchVitals>,
    /// Held until the thread ends.
    pub alive: Alive,
    /// Where operators are told.
    pub notices: Notices,
}

impl Ports {
    /// Settling may have enough to do for a long time; waiting for it is not work that hangs.
    fn send(&self, report: Report) -> Result<(), Abandoned> {
        let before = self.vitals.looks.wait_for_another();
        let sent = self.reports.send(report).map_err(|_| Abandoned);
        self.vitals.looks.resume(before, clock::mono());
        sent
    }
}

/// A running watch.
pub struct Handle {
    inbox: Arc<Inbox>,
    root: PathBuf,
}

impl Handle {
    /// Of a watch that is to take from this inbox.
    pub(crate) fn new(config: &checked::Watch) -> Self {
        Self { inbox: Arc::new(Inbox::new(HINT_BYTES_MAX)), root: config.path.clone() }
    }

    /// Where its hints wait.
    pub(crate) fn inbox(&self) -> &Arc<Inbox> {
        &self.inbox
    }

    /// Has the whole root scanned again.
    pub fn rescan(&self) {
        self.inbox.note(Hint::Dir(RelPath::root()));
    }

    /// Something was mounted, or taken away, at these places. What the root means is looked at wherever
    /// that was: its path may lead there through a symbolic link.
    pub fn mounts_changed(&self, at: &[PathBuf]) {
        self.inbox.note(Hint::Root);
        for dir in at.iter().filter_map(|at| RelPath::below(&self.root, at)) {
            self.inbox.note(Hint::Dir(dir));
        }
    }

    /// Takes nothing new from now on. The thread ends by itself: nothing upstream of the journal needs
    /// saving, and a root that hangs must not delay anybody.
    pub fn stop(&self) {
        self.inbox.close();
    }
}

/// Starts watching. The root need not exist: it is looked for until it does.
pub fn start(config: checked::Watch, ports: Ports) -> io::Result<Handle> {
    let handle = Handle::new(&config);
    let inbox = Arc::clone(handle.inbox());
    let name = format!("watch {}", config.name);
    thread::Builder::new().name(name).spawn(move || run(&config, &ports, &inbox))?;
    Ok(handle)
}

/// Takes a step, waits for hints or for the time of the next, and so on until the watch is stopped.
fn run(config: &checked::Watch, ports: &Ports, inbox: &Arc<Inbox>) {
    let mut stage = Stage::new(config, ports, inbox);
    let (mut batch, mut breath) = (Batch::default(), Breath::new(clock::mono()));
    loop {
        ports.vitals.looks.look(clock::mono());
        if stage.step(batch, clock::mono()).is_err() {
            return;
        }
        let now = clock::mono();
        let patience = stage.patience(now);
        ports.vitals.looks.wait_until(now + patience);
        if let Some(pause) = breath.pause(now) {
            thread::park_timeout(pause); // nobody wakes it
        }
        let Ok(noted) = inbox.take(patience) else { return };
        if !noted.is_empty() {
            breath.taken(clock::mono());
        }
        ports.vitals.looks.begin(clock::mono());
        stall::here("watch");
        batch = noted;
    }
}

/// One watch between two waits.
pub(crate) struct Stage<'a> {
    config: &'a checked::Watch,
    ports: &'a Ports,
    inbox: &'a Arc<Inbox>,
    followed: Option<Followed<'a>>,
    /// Why there is no root, as it was told.
    told: Option<String>,
}

/// The directory that the path means, for as long as it means that.
struct Followed<'a> {
    root: Root<'a>,
    place: Place,
    next_check: Instant,
}

impl<'a> Stage<'a> {
    pub(crate) fn new(config: &'a checked::Watch, ports: &'a Ports, inbox: &'a Arc<Inbox>) -> Self {
        Self { config, ports, inbox, followed: None, told: None }
    }

    /// Handles what was hinted, and does one slice of the scanning that is due.
    pub(crate) fn step(&mut self, batch: Batch, now: Instant) -> Result<(), Abandoned> {
        let Some(followed) = &mut self.followed else { return self.seek(now) };
        if batch.lost {
            followed.root.lost(now);
        }
        // The kernel's watch on the root has ended: removed, moved, or unmounted. The same directory may be
        // back by now, and nobody watches it.
        let ended = batch.gone.contains(&RelPath::root());
        // Lost events may have been about the root itself.
        let doubted = batch.lost || batch.root;
        followed.root.apply(batch);
        if ended || doubted || now >= followed.next_check {
            followed.next_check = now + PLACE_CHECK;
            let is_same = || find(self.config).is_ok_and(|f| f.dir == followed.place.dir);
            if ended || !is_same() {
                warn!(watch = %self.config.name, "the directory was replaced, starting over");
                self.followed = None;
                return self.seek(now);
            }
        }
        followed.root.turn(now)?;
        if let Some(reason) = followed.root.failure() {
            // It would look like one that is empty.
            self.followed = None;
            self.suspend(reason, now);
        }
        Ok(())
    }

    fn notice(&self, kind: Kind) -> Notice {
        let about = About::Watch(self.config.name.clone());
        Notice::new(kind, about).text("path", self.config.path.to_string_lossy())
    }

    /// How long there is nothing to do, without hints.
    pub(crate) fn patience(&self, now: Instant) -> Duration {
        let Some(followed) = &self.followed else { return MISSING_CHECK };
        let wake = followed.root.next_turn(now).min(followed.next_check);
        wake.saturating_duration_since(now)
    }

    /// Looks for the root, and follows it from now on if it is there.
    fn seek(&mut self, now: Instant) -> Result<(), Abandoned> {
        let (name, path) = (&self.config.name, self.config.path.display());
        match find(self.config) {
            Ok(place) => {
                if self.told.take().is_some() {
                    info!(watch = %name, %path, "resumed");
                    self.ports.notices.tell(self.notice(Kind::WatchResumed));
                }
                self.ports.send(Report::Armed(place.policy))?;
                self.ports.vitals.change(|looks| looks.sight = Sight::Watching);
                let root = Root::new(self.config, place, self.inbox, self.ports, now);
                let next_check = now + PLACE_CHECK;
                self.followed = Some(Followed { root, place, next_check });
            }
            Err(error) => self.suspend(error.to_string(), now),
        }
        Ok(())
    }

    /// There is no root to follow now; says so when it is news.
    fn suspend(&mut self, reason: String, now: Instant) {
        if self.told.as_ref() == Some(&reason) {
            return;
        }
        let (watch, path) = (&self.config.name, self.config.path.display());
        warn!(%watch, %path, %reason, "suspended: looking for the directory until it is there");
        let suspended = self.notice(Kind::WatchSuspended).text("reason", &reason);
        self.ports.notices.tell(suspended);
        let sight = Sight::Suspended { since: now, reason: reason.clone() };
        self.ports.vitals.change(|looks| looks.sight = sight);
        self.told = Some(reason);
    }
}

/// What the configured path means now.
fn find(config: &checked::Watch) -> io::Result<Place> {
    let place = stat::place(&config.path)?;
    if config.require_mount && !place.is_mount {
        return Err(io::Error::other("nothing is mounted here, and require_mount is set"));
    }
    stat::may_list(&config.path)?;
    // A disk that fails may still say what the directory is, from memory.
    Directory::open(&config.path, true)?.next_entry().transpose()?;
    Ok(place)
}
