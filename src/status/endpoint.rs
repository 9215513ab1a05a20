//! Where it goes: queue, pause, last deliveries.

use std::{collections::BTreeMap, sync::atomic::Ordering::Relaxed};

use serde::{Deserialize, Serialize};

use super::{Moment, timestamp};
use crate::vitals::{self, Ledger};

/// One endpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Endpoint {
    /// Its name.
    pub name: String,
    /// `starting`, `running`, `degraded`, `paused`, `failing`, `parked`, `draining` or `stopped`.
    pub state: String,
    /// Why it is not running.
    pub reason: Option<String>,
    /// When it is tried again.
    pub in_s: Option<u64>,
    /// Events that wait for it.
    pub waiting: u64,
    /// Bytes of their bodies.
    pub waiting_bytes: u64,
    /// Since the oldest of them was recorded.
    pub oldest_s: Option<u64>,
    /// Requests under way.
    pub in_flight: u64,
    /// Dead letters, by the class of their last failure.
    pub dead: BTreeMap<String, u64>,
    /// Events since the start of the daemon that were accepted.
    pub delivered: u64,
    /// Attempts since then that failed.
    pub failed: u64,
    /// Events since then that were given up.
    pub given_up: u64,
    /// The receiver's clock minus ours, by its last answer that had one.
    pub clock_offset_s: i64,
    /// The last events that were accepted, newest first.
    pub recent: Vec<Delivery>,
    /// The last attempt that failed.
    pub last_failure: Option<Failure>,
}

/// An event that was accepted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Delivery {
    /// Its id.
    pub event: String,
    /// Its watch.
    pub watch: String,
    /// The file, below the root.
    pub path: String,
    /// At which attempt.
    pub attempt: u32,
    /// What the receiver answered.
    pub status: Option<u16>,
    /// How long the attempt took.
    pub took_ms: u64,
    /// When.
    pub at: String,
}

/// An attempt that failed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// The event's id.
    pub event: String,
    /// Its watch.
    pub watch: String,
    /// The file, below the root.
    pub path: String,
    /// Outcome class.
    pub class: String,
    /// What the receiver answered.
    pub status: Option<u16>,
    /// In one line.
    pub reason: String,
    /// When.
    pub at: String,
}

impl Endpoint {
    pub(super) fn of((name, lane): &vitals::Lane, ledger: &Ledger, now: Moment) -> Self {
        let log = lane.log();
        let backlog = ledger.backlogs.get(name).cloned().unwrap_or_default();
        let pause = log.pause;
        let in_s = pause.as_ref().and_then(|pause| pause.until).map(|until| now.until(until));
        let reason = pause.map(|pause| pause.reason).filter(|reason| !reason.is_empty());
        Self {
            name: name.to_string(),
            state: lane.state().name().to_owned(),
            reason,
            in_s,
            waiting: backlog.waiting,
            waiting_bytes: backlog.bytes,
            oldest_s: backlog.oldest.map(|oldest| now.wall.until(oldest).as_secs()),
            in_flight: lane.in_flight.load(Relaxed),
            dead: backlog.dead,
            delivered: lane.delivered.load(Relaxed),
            failed: lane.retried.load(Relaxed).saturating_add(lane.dead.load(Relaxed)),
            given_up: lane.dead.load(Relaxed),
            clock_offset_s: lane.clock_offset_s.load(Relaxed),
            recent: log.recent.iter().map(Delivery::of).collect(),
            last_failure: log.failure.as_ref().map(Failure::of),
        }
    }
}

impl Delivery {
    fn of(delivery: &vitals::Delivery) -> Self {
        Self {
            event: delivery.event.to_string(),
            watch: delivery.watch.to_string(),
            path: delivery.path.to_string(),
            attempt: delivery.attempt,
            status: delivery.status,
            took_ms: u64::try_from(delivery.took.as_millis()).unwrap_or(u64::MAX),
            at: timestamp(delivery.at),
        }
    }
}

impl Failure {
    fn of(failure: &vitals::Failure) -> Self {
        Self {
            event: failure.event.to_string(),
            watch: failure.watch.to_string(),
            path: failure.path.to_string(),
            class: failure.refusal.class.to_owned(),
            status: failure.refusal.status,
            reason: failure.refusal.to_string(),
            at: timestamp(failure.at),
        }
    }
}
