//! Every stage's vitals in one place. Members come and go when the configuration is read again.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use super::{Beat, JournalVitals, LaneVitals, WatchVitals};
use crate::{arrival::Name, clock::WallMs};

/// How far the daemon is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Stages are being started.
    #[default]
    Starting,
    /// All of them run.
    Running,
    /// Asked to stop.
    Draining,
}

impl Phase {
    /// The name in `/status`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Draining => "draining",
        }
    }
}

/// How the last reading of the configuration ended, while the daemon ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reload {
    /// Whether it is in force. If not, the one before it still is.
    pub ok: bool,
    /// When.
    pub at: WallMs,
    /// One line for a person, without secrets.
    pub message: String,
}

/// A watch, by name.
pub type Watch = (Name, Arc<WatchVitals>);
/// A lane, by the name of its endpoint.
pub type Lane = (Name, Arc<LaneVitals>);

/// All vitals. Shared by everybody who reports and everybody who looks.
#[derive(Debug)]
pub struct Board {
    /// When the daemon started, monotonic and by the wall clock.
    started: (Instant, WallMs),
    /// The daemon's own loop.
    pub daemon: Beat,
    /// The journal.
    pub journal: Arc<JournalVitals>,
    members: Mutex<Members>,
}

#[derive(Debug, Default)]
struct Members {
    phase: Phase,
    watches: BTreeMap<Name, Arc<WatchVitals>>,
    lanes: BTreeMap<Name, Arc<LaneVitals>>,
    reload: Option<Reload>,
    /// Degraded parts that are no stage, and why: `http`, `control`.
    troubles: BTreeMap<&'static str, String>,
}

impl Board {
    /// Of a daemon that starts now.
    pub fn new(now: Instant, wall: WallMs) -> Self {
        Self {
            started: (now, wall),
            daemon: Beat::default(),
            journal: Arc::default(),
            members: Mutex::default(),
        }
    }

    /// When the daemon started: monotonic, and what the wall clock said.
    pub fn started(&self) -> (Instant, WallMs) {
        self.started
    }

    /// How far the daemon is.
    pub fn phase(&self) -> Phase {
        self.members().phase
    }

    /// The daemon has come so far.
    pub fn set_phase(&self, phase: Phase) {
        self.members().phase = phase;
    }

    /// A watch begins; in the place of another of this name, if there was one.
    pub fn add_watch(&self, name: &Name, path: &Path) -> Arc<WatchVitals> {
        let vitals = Arc::new(WatchVitals::new(path));
        self.members().watches.insert(name.clone(), Arc::clone(&vitals));
        vitals
    }

    /// A watch has ended. Another that took its name meanwhile stays.
    pub fn remove_watch(&self, name: &Name, vitals: &Arc<WatchVitals>) {
        let mut members = self.members();
        if members.watches.get(name).is_some_and(|member| Arc::ptr_eq(member, vitals)) {
            members.watches.remove(name);
        }
    }

    /// A lane begins; in the place of another of this name, if there was one.
    pub fn add_lane(&self, name: &Name) -> Arc<LaneVitals> {
        let vitals = Arc::new(LaneVitals::default());
        self.members().lanes.insert(name.clone(), Arc::clone(&vitals));
        vitals
    }

    /// A lane has ended. Another that took its name meanwhile stays.
    pub fn remove_lane(&self, name: &Name, vitals: &Arc<LaneVitals>) {
        let mut members = self.members();
        if members.lanes.get(name).is_some_and(|member| Arc::ptr_eq(member, vitals)) {
            members.lanes.remove(name);
        }
    }

    /// Every watch, by name.
    pub fn watches(&self) -> Vec<Watch> {
        self.members().watches.iter().map(|(name, w)| (name.clone(), Arc::clone(w))).collect()
    }

    /// Every lane, by name.
    pub fn lanes(&self) -> Vec<Lane> {
        self.members().lanes.iter().map(|(name, l)| (name.clone(), Arc::clone(l))).collect()
    }

    /// How the configuration was last read again; `None` before that.
    pub fn reload(&self) -> Option<Reload> {
        self.members().reload.clone()
    }

    /// The configuration was read again.
    pub fn reloaded(&self, reload: Reload) {
        self.members().reload = Some(reload);
    }

    /// Parts that are no stage and do not work, with the reason.
    pub fn troubles(&self) -> Vec<(&'static str, String)> {
        self.members().troubles.iter().map(|(part, why)| (*part, why.clone())).collect()
    }

    /// A part that is no stage, such as a listener, works (`None`) or does not.
    pub fn set_trouble(&self, part: &'static str, reason: Option<String>) {
        let mut members = self.members();
        match reason {
            Some(reason) => members.troubles.insert(part, reason),
            None => members.troubles.remove(part),
        };
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
