//! What a lane reports.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU8, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use super::Beat;
use crate::{
    arrival::{EventId, Name, Refusal, RelPath},
    clock::WallMs,
};

/// Deliveries that are remembered, per lane.
pub const RECENT_MAX: usize = 20;

/// Pairs of class and status that are counted one by one, per lane. A receiver can answer with a thousand
/// statuses; what comes beyond this is counted under its class alone.
const TALLIES_MAX: usize = 64;

/// Upper bounds of how long attempts take, in seconds; the last bucket has none.
pub const ATTEMPT_SECONDS: [f64; 10] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0];

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
    /// Every state.
    pub const ALL: [Self; 8] = [
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

/// An event that was accepted.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Which event.
    pub event: EventId,
    /// Of which watch.
    pub watch: Name,
    /// Of which file.
    pub path: RelPath,
    /// At which attempt.
    pub attempt: u32,
    /// The answer.
    pub status: Option<u16>,
    /// How long the attempt took.
    pub took: Duration,
    /// When.
    pub at: WallMs,
}

/// An attempt that failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Which event.
    pub event: EventId,
    /// Of which watch.
    pub watch: Name,
    /// Of which file.
    pub path: RelPath,
    /// Why; carries no secret.
    pub refusal: Refusal,
    /// When.
    pub at: WallMs,
}

/// How one attempt ended, for the counts.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// Outcome class.
    pub class: &'static str,
    /// HTTP status, when there was an answer.
    pub status: Option<u16>,
    /// How long it took.
    pub took: Duration,
}

/// Why nothing is sent, and until when.
#[derive(Clone, Debug)]
pub struct Pause {
    /// `None`: until somebody does something.
    pub until: Option<Instant>,
    /// In one line.
    pub reason: String,
}

/// What a lane remembers for whoever looks.
#[derive(Clone, Debug, Default)]
pub struct LaneLog {
    /// The last deliveries, newest first; at most [`RECENT_MAX`].
    pub recent: VecDeque<Delivery>,
    /// The last failure.
    pub failure: Option<Failure>,
    /// Attempts by class and status.
    pub attempts: BTreeMap<(&'static str, Option<u16>), u64>,
    /// Attempts by how long they took: one count for each of [`ATTEMPT_SECONDS`], and one for the rest.
    pub took: [u64; ATTEMPT_SECONDS.len() + 1],
    /// Of all attempts together.
    pub took_sum: Duration,
    /// Why nothing is sent now.
    pub pause: Option<Pause>,
}

/// One lane. Written by the lane only.
#[derive(Debug, Default)]
pub struct LaneVitals {
    /// The lane's loop.
    pub beat: Beat,
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
    log: Mutex<LaneLog>,
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

    /// What the lane remembers.
    pub fn log(&self) -> LaneLog {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Why nothing is sent, if that is so.
    pub fn set_pause(&self, pause: Option<Pause>) {
        self.change(|log| log.pause = pause);
    }

    /// An attempt has ended.
    pub fn attempted(&self, attempt: Attempt) {
        self.change(|log| log.count(attempt));
    }

    /// An event was accepted.
    pub fn accepted(&self, delivery: Delivery) {
        self.change(|log| {
            log.recent.truncate(RECENT_MAX - 1);
            log.recent.push_front(delivery);
        });
    }

    /// An attempt failed.
    pub fn failed(&self, failure: Failure) {
        self.change(|log| log.failure = Some(failure));
    }

    /// Why the last attempt that failed did so, in one line.
    pub fn last_failure(&self) -> Option<String> {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.failure.as_ref().map(|failure| failure.refusal.to_string())
    }

    fn change(&self, change: impl FnOnce(&mut LaneLog)) {
        change(&mut self.log.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl LaneLog {
    fn count(&mut self, attempt: Attempt) {
        let Attempt { class, status, took } = attempt;
        let exact = (class, status);
        let is_counted = self.attempts.len() < TALLIES_MAX || self.attempts.contains_key(&exact);
        let key = if is_counted { exact } else { (class, None) };
        *self.attempts.entry(key).or_default() += 1;
        let seconds = took.as_secs_f64();
        let bucket = ATTEMPT_SECONDS.iter().position(|bound| seconds <= *bound);
        if let Some(count) = self.took.get_mut(bucket.unwrap_or(ATTEMPT_SECONDS.len())) {
            *count += 1;
        }
        self.took_sum = self.took_sum.saturating_add(took);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(status: u16, millis: u64) -> Attempt {
        Attempt { class: "retry", status: Some(status), took: Duration::from_millis(millis) }
    }

    #[test]
    fn a_receiver_that_answers_with_every_status_fills_no_memory_and_every_attempt_is_counted() {
        let vitals = LaneVitals::default();
        for status in 100..1000 {
            vitals.attempted(attempt(status, 10));
        }
        let log = vitals.log();
        assert!(log.attempts.len() <= TALLIES_MAX + 1, "{}", log.attempts.len());
        assert_eq!(log.attempts.values().sum::<u64>(), 900);
    }

    #[test]
    fn each_attempt_is_in_the_bucket_that_holds_it() {
        let vitals = LaneVitals::default();
        for millis in [0, 50, 51, 30_000, 30_001] {
            vitals.attempted(attempt(500, millis));
        }
        let log = vitals.log();
        assert_eq!(log.took, [2, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!(log.took_sum, Duration::from_millis(60_102));
    }

    #[test]
    fn the_newest_deliveries_are_remembered() {
        let vitals = LaneVitals::default();
        for attempt in 1..=30 {
            vitals.accepted(Delivery {
                event: EventId([0; 16]),
                watch: Name::parse("scans").unwrap(),
                path: RelPath::from_bytes(b"a"),
                attempt,
                status: Some(200),
                took: Duration::ZERO,
                at: WallMs(0),
            });
        }
        let attempts: Vec<u32> = vitals.log().recent.iter().map(|d| d.attempt).collect();
        assert_eq!(attempts, (11..=30).rev().collect::<Vec<_>>());
    }
}
