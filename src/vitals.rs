//! What each stage reports about itself: one source for health, metrics, status and the watchdog, so that
//! they cannot disagree.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU8, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use crate::clock::WallMs;

/// Whether a thread that does file work is in the middle of it, and since when. A file system that hangs
/// keeps its thread there; nothing else can tell.
#[derive(Debug, Default)]
pub struct Beat(Mutex<Option<Instant>>);

impl Beat {
    /// Work begins.
    pub fn begin(&self, now: Instant) {
        self.set(Some(now));
    }

    /// The thread waits again.
    pub fn end(&self) {
        self.set(None);
    }

    /// How long the present piece of work has been going on.
    pub fn busy_for(&self, now: Instant) -> Option<Duration> {
        let since = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        since.map(|since| now.saturating_duration_since(since))
    }

    fn set(&self, since: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }
}

/// What a lane is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum LaneState {
    /// Has not opened its client yet.
    #[default]
    Starting = 0,
    /// Delivers, or has nothing to deliver.
    Running = 1,
    /// A secret, URL or CA file is missing; tried again.
    Degraded = 2,
    /// The receiver asked for a pause, or this machine cannot send.
    Paused = 3,
    /// The endpoint counts as down and is probed.
    Failing = 4,
    /// The receiver wants nothing more.
    Parked = 5,
    /// Asked to end.
    Draining = 6,
    /// Ended.
    Stopped = 7,
}

impl LaneState {
    const ALL: [Self; 8] = [
        Self::Starting,
        Self::Running,
        Self::Degraded,
        Self::Paused,
        Self::Failing,
        Self::Parked,
        Self::Draining,
        Self::Stopped,
    ];

    /// The name in metrics and `watchd status`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Degraded => "degraded",
            Self::Paused => "paused",
            Self::Failing => "failing",
            Self::Parked => "parked",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
        }
    }
}

/// One lane's counters. Written by the lane only.
#[derive(Debug, Default)]
pub struct LaneVitals {
    /// Grows whenever the lane's loop turns, at least every ten seconds.
    pub turns: AtomicU64,
    /// Events accepted by the receiver.
    pub delivered: AtomicU64,
    /// Failed attempts, charged or not.
    pub retried: AtomicU64,
    /// Events given up.
    pub dead: AtomicU64,
    /// Requests under way.
    pub in_flight: AtomicU64,
    /// Events not yet delivered, as of the last look into the journal.
    pub waiting: AtomicU64,
    /// The receiver's clock minus ours, in seconds, by its last answer with a `Date`.
    pub clock_offset_s: AtomicI64,
    state: AtomicU8,
}

impl LaneVitals {
    /// What the lane is doing.
    pub fn state(&self) -> LaneState {
        let state = self.state.load(Relaxed);
        LaneState::ALL.into_iter().find(|s| *s as u8 == state).unwrap_or_default()
    }

    /// Says what the lane is doing.
    pub fn set_state(&self, state: LaneState) {
        self.state.store(state as u8, Relaxed);
    }

    /// Counts one more.
    pub fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Relaxed);
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

/// The last [`Reload`], if there was one.
#[derive(Debug, Default)]
pub struct Reloads(Mutex<Option<Reload>>);

impl Reloads {
    /// Remembers how it ended.
    pub fn set(&self, reload: Reload) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(reload);
    }

    /// How the last one ended.
    pub fn last(&self) -> Option<Reload> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
