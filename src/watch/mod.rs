//! Stage 1: kernel events and scans become [`Sighting`](crate::arrival::Sighting)s.
//!
//! One thread per watch does all of its looking, so that a root that hangs stalls itself only (P6). This
//! file waits: for hints, for the next slice of a scan, for a timer. `pending`, `rules` and `schedule` decide,
//! `kernel` and `scan` act, `root` and `tour` are the state in between. Every kind of loss has one answer: scan that place.

mod coverage;
mod inbox;
mod kernel;
mod pending;
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
    sync::{Arc, mpsc::SyncSender},
    thread,
    time::{Duration, Instant},
};

use tracing::{info, warn};

use self::{
    inbox::{Closed, Inbox},
    pending::{Batch, Hint},
    root::Root,
};
use crate::{
    arrival::{Memory, RelPath, Report},
    clock,
    config::checked,
    stat::{self, Place},
    vitals::{Sight, WatchVitals},
};

/// Hints that wait per watch, in bytes: about 25,000 short names.
const HINT_BYTES_MAX: usize = 2 << 20;

/// How often a missing root is looked for.
const MISSING_CHECK: Duration = Duration::from_secs(1);

/// How often a live root is compared with what its path means now: a mount over it is silent
/// (inotify(7)).
const PLACE_CHECK: Duration = Duration::from_secs(10);

/// What the stage needs from outside.
pub struct Ports {
    /// Sightings go here; full means that settling has enough to do, and scanning waits.
    pub reports: SyncSender<Report>,
    /// What was announced before.
    pub memory: Box<dyn Memory>,
    /// What is said about this watch.
    pub vitals: Arc<WatchVitals>,
}

/// A running watch.
pub struct Handle {
    inbox: Arc<Inbox>,
}

impl Handle {
    /// Has the whole root scanned again.
    pub fn rescan(&self) {
        self.inbox.note(Hint::Dir(RelPath::root()));
    }

    /// Takes nothing new from now on. The thread ends by itself: nothing upstream of the journal needs
    /// saving, and a root that hangs must not delay anybody.
    pub fn stop(&self) {
        self.inbox.close();
    }
}

/// Starts watching. The root need not exist: it is looked for until it does.
pub fn start(config: checked::Watch, ports: Ports) -> io::Result<Handle> {
    let inbox = Arc::new(Inbox::new(HINT_BYTES_MAX));
    let handle = Handle { inbox: Arc::clone(&inbox) };
    let name = format!("watch {}", config.name);
    thread::Builder::new().name(name).spawn(move || Stage { config, ports, inbox }.run())?;
    Ok(handle)
}

struct Stage {
    config: checked::Watch,
    ports: Ports,
    inbox: Arc<Inbox>,
}

/// Why a root is not watched (any more).
enum Left {
    /// The watch was stopped, or nobody takes its reports.
    Stopped,
    /// The path means something else now, or nothing.
    Replaced,
}

impl Stage {
    fn run(self) {
        let mut told = None;
        self.ports.vitals.looks.look(clock::mono());
        loop {
            let place = match self.find() {
                Ok(place) => place,
                Err(error) => {
                    let reason = error.to_string();
                    if told.as_ref() != Some(&reason) {
                        warn!(watch = %self.config.name, path = %self.config.path.display(), %reason,
                            "suspended: looking for the directory until it is there");
                        self.suspended(&reason);
                        told = Some(reason);
                    }
                    match self.wait(MISSING_CHECK) {
                        Ok(_) => continue,
                        Err(_) => return,
                    }
                }
            };
            if told.take().is_some() {
                info!(watch = %self.config.name, path = %self.config.path.display(), "resumed");
            }
            match self.follow(place) {
                Left::Stopped => return,
                Left::Replaced => {
                    warn!(watch = %self.config.name, "the directory was replaced, starting over");
                }
            }
        }
    }

    /// Waits for hints; anything but this is work.
    fn wait(&self, patience: Duration) -> Result<Batch, Closed> {
        let looks = &self.ports.vitals.looks;
        looks.wait_until(clock::mono() + patience);
        let batch = self.inbox.take(patience);
        looks.look(clock::mono());
        batch
    }

    fn suspended(&self, reason: &str) {
        let (since, reason) = (clock::mono(), reason.to_owned());
        self.ports.vitals.change(|looks| looks.sight = Sight::Suspended { since, reason });
    }

    /// What the configured path means now.
    fn find(&self) -> io::Result<Place> {
        let place = stat::place(&self.config.path)?;
        if self.config.require_mount && !place.is_mount {
            return Err(io::Error::other("nothing is mounted here, and require_mount is set"));
        }
        // Traversal without permission to list would look like an empty directory that never fills.
        rustix::fs::access(
            &self.config.path,
            rustix::fs::Access::READ_OK | rustix::fs::Access::EXEC_OK,
        )?;
        Ok(place)
    }

    /// Watches the directory that the path means now, for as long as it means that.
    fn follow(&self, place: Place) -> Left {
        if self.ports.reports.send(Report::Armed(place.policy)).is_err() {
            return Left::Stopped;
        }
        let mut root = Root::new(&self.config, place, &self.inbox, &self.ports);
        self.ports.vitals.change(|looks| looks.sight = Sight::Watching);
        let mut next_check = clock::mono() + PLACE_CHECK;
        loop {
            let Ok(batch) = self.wait(patience(&root, next_check)) else { return Left::Stopped };
            let now = clock::mono();
            if batch.lost {
                root.lost(now);
            }
            // Lost events may have been about the root itself.
            let root_gone = batch.lost || root.apply(batch);
            if root_gone || now >= next_check {
                next_check = now + PLACE_CHECK;
                if self.find().map_or(true, |found| found.dir != place.dir) {
                    return Left::Replaced;
                }
            }
            if root.turn(now).is_err() {
                return Left::Stopped;
            }
        }
    }
}

fn patience(root: &Root<'_>, next_check: Instant) -> Duration {
    let now = clock::mono();
    let wake = root.next_turn(now).min(next_check);
    wake.saturating_duration_since(now)
}
