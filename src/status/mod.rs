//! What `/status` says: what is waited for and why, what lies where, how it went. One document for the
//! page, for `watchd status` and for whoever asks by HTTP.
//!
//! Its fields are a contract: they are added, never renamed. Times are RFC 3339; `*_s` are seconds from then
//! until the document was made, or from then on where the name says `in`. Paths are shown as in the log: what
//! is not printable or not UTF-8 is escaped.

mod endpoint;
mod watch;
pub mod words;

use std::time::Instant;

use serde::{Deserialize, Serialize};

pub use self::{
    endpoint::{Delivery, Endpoint, Failure},
    watch::{File, LastScan, Waiting, Watch, Why},
};
use crate::{
    clock::WallMs,
    vitals::{self, Board, Lateness},
};

/// The moment at which a document is made.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Monotonic.
    pub mono: Instant,
    /// By the wall clock.
    pub wall: WallMs,
}

/// The whole document.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// The version of the daemon.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// The machine.
    pub host: String,
    /// Part of every event id; absent until the journal has been opened.
    pub instance: Option<String>,
    /// When this document was made.
    pub at: String,
    /// When the daemon started.
    pub started: String,
    /// How long it has been running.
    pub uptime_s: u64,
    /// `starting`, `running` or `draining`.
    pub phase: String,
    /// Whether every loop turns over.
    pub healthy: bool,
    /// Stages that make no progress.
    pub stuck: Vec<Stuck>,
    /// Stages whose file system does not answer.
    pub hanging: Vec<Stuck>,
    /// Whether files get through.
    pub ready: bool,
    /// Why they do not.
    pub not_ready: Vec<NotReady>,
    /// Starts on this journal; absent until it has been opened.
    pub starts: Option<Starts>,
    /// How the configuration was last read again; absent before that.
    pub reload: Option<Reload>,
    /// Each watch, by name.
    pub watches: Vec<Watch>,
    /// Each configured endpoint, by name.
    pub endpoints: Vec<Endpoint>,
    /// The journal.
    pub journal: Journal,
}

/// A stage that does not turn over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stuck {
    /// `daemon`, `journal`, `watch NAME`, `settle NAME` or `lane NAME`.
    pub stage: String,
    /// `stuck` in its work, `overdue` at its deadline, or its file system `hangs`.
    pub how: String,
    /// Since then.
    pub for_s: u64,
}

/// Why files do not get through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotReady {
    /// `daemon`, `journal`, `watch NAME`, `endpoint NAME`, `reload`, `http`, `control`, or a stage.
    pub what: String,
    /// In one line.
    pub reason: String,
}

/// Starts of the daemon on this journal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Starts {
    /// This one included.
    pub count: u64,
    /// Those after a run that did not end cleanly.
    pub after_crash: u64,
    /// Whether this is one of them.
    pub this_after_crash: bool,
}

/// How the configuration was read again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reload {
    /// When.
    pub at: String,
    /// Whether it is used; the one before stays otherwise.
    pub accepted: bool,
    /// What became of it, in one line.
    pub message: String,
}

/// The journal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Journal {
    /// Whether it can be used.
    pub usable: bool,
    /// Why it cannot, or why its last transaction failed.
    pub reason: Option<String>,
    /// Since when.
    pub for_s: Option<u64>,
    /// Events that wait for at least one endpoint.
    pub waiting: u64,
    /// Dead letters, over all endpoints.
    pub dead: u64,
    /// Transactions stored since the start of the daemon.
    pub commits: u64,
    /// What is kept for endpoints that are not configured any more.
    pub parked: Vec<Parked>,
}

/// What is kept for an endpoint that is not configured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Parked {
    /// Its name.
    pub endpoint: String,
    /// Events that would be sent if it were.
    pub waiting: u64,
    /// Dead letters.
    pub dead: u64,
}

impl Status {
    /// What the board says now.
    pub fn of(board: &Board, now: Moment) -> Self {
        let ledger = board.journal.ledger();
        let (started, started_wall) = board.started();
        let health = board.health(now.mono);
        let not_ready = board.not_ready(now.mono);
        let stuck = |stages: &[vitals::Stuck]| stages.iter().map(|s| Stuck::of(s, now)).collect();
        let lanes = board.lanes();
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            instance: ledger.instance.clone(),
            at: timestamp(now.wall),
            started: timestamp(started_wall),
            uptime_s: now.since(started),
            phase: board.phase().name().to_owned(),
            healthy: health.is_good(),
            stuck: stuck(&health.stuck),
            hanging: stuck(&health.hanging),
            ready: not_ready.is_empty(),
            not_ready: not_ready.into_iter().map(NotReady::of).collect(),
            starts: ledger.run.map(Starts::of),
            reload: board.reload().map(Reload::of),
            watches: board.watches().iter().map(|watch| Watch::of(watch, now)).collect(),
            endpoints: lanes.iter().map(|lane| Endpoint::of(lane, &ledger, now)).collect(),
            journal: Journal::of(board, &ledger, now),
        }
    }
}

impl Moment {
    /// Whole seconds since `earlier`.
    pub fn since(self, earlier: Instant) -> u64 {
        self.mono.saturating_duration_since(earlier).as_secs()
    }

    /// Whole seconds until `later`.
    pub fn until(self, later: Instant) -> u64 {
        later.saturating_duration_since(self.mono).as_secs()
    }
}

impl Stuck {
    /// For the document.
    pub fn of(stuck: &vitals::Stuck, now: Moment) -> Self {
        let how = match stuck.lateness {
            Lateness::Stuck(_) => "stuck",
            Lateness::Overdue(_) => "overdue",
            Lateness::Hangs(_) => "hangs",
        };
        let for_s = now.since(stuck.lateness.since());
        Self { stage: stuck.stage.to_string(), how: how.to_owned(), for_s }
    }
}

impl NotReady {
    /// For the document.
    pub fn of(reason: vitals::NotReady) -> Self {
        Self { what: reason.what, reason: reason.reason }
    }
}

impl Starts {
    fn of(run: vitals::Run) -> Self {
        Self { count: run.starts, after_crash: run.unclean, this_after_crash: run.after_crash }
    }
}

impl Reload {
    fn of(reload: vitals::Reload) -> Self {
        Self { at: timestamp(reload.at), accepted: reload.ok, message: reload.message }
    }
}

impl Journal {
    fn of(board: &Board, ledger: &vitals::Ledger, now: Moment) -> Self {
        let lanes = board.lanes();
        let orphans = ledger
            .backlogs
            .iter()
            .filter(|(name, _)| lanes.iter().all(|(configured, _)| configured != *name));
        let parked = orphans.map(|(name, backlog)| Parked {
            endpoint: name.to_string(),
            waiting: backlog.waiting + backlog.parked,
            dead: backlog.dead.values().sum(),
        });
        let dead = ledger.backlogs.values().flat_map(|backlog| backlog.dead.values());
        Self {
            usable: ledger.open,
            reason: ledger.degraded.as_ref().map(|(_, reason)| reason.clone()),
            for_s: ledger.degraded.as_ref().map(|(since, _)| now.since(*since)),
            waiting: ledger.events,
            dead: dead.sum(),
            commits: board.journal.commits.load(std::sync::atomic::Ordering::Relaxed),
            parked: parked.filter(|parked| parked.waiting + parked.dead > 0).collect(),
        }
    }
}

/// RFC 3339, to the millisecond.
fn timestamp(at: WallMs) -> String {
    match jiff::Timestamp::from_millisecond(at.0) {
        Ok(at) => format!("{at:.3}"),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests;
