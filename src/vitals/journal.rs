//! What the journal reports.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use super::Beat;
use crate::{arrival::Name, clock::WallMs};

/// What the journal holds for one endpoint, configured or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Events that wait.
    pub waiting: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// When the oldest of them was committed.
    pub oldest: Option<WallMs>,
    /// Dead letters, by the class of their last failure.
    pub dead: BTreeMap<String, u64>,
    /// Events that are kept although the endpoint is not configured.
    pub parked: u64,
}

/// Starts of the daemon on this journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// This one included.
    pub starts: u64,
    /// Starts after a run that did not end cleanly.
    pub unclean: u64,
    /// Whether this is one of those.
    pub after_crash: bool,
}

/// Everything that is counted in the journal.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// Whether there is a usable database. What follows is otherwise what was known last.
    pub open: bool,
    /// Why there is none, or why its last transaction failed, and since when.
    pub degraded: Option<(Instant, String)>,
    /// The instance, part of every event id.
    pub instance: Option<String>,
    /// Events that wait for at least one endpoint.
    pub events: u64,
    /// By endpoint.
    pub backlogs: BTreeMap<Name, Backlog>,
    /// Starts so far, once the journal is open.
    pub run: Option<Run>,
}

/// The journal. Written by its own thread.
#[derive(Debug, Default)]
pub struct JournalVitals {
    /// The thread that owns the database.
    pub beat: Beat,
    /// Transactions that were stored.
    pub commits: AtomicU64,
    ledger: Mutex<Ledger>,
}

impl JournalVitals {
    /// What is in it, as of its last transaction.
    pub fn ledger(&self) -> Ledger {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes what is said.
    pub fn change(&self, change: impl FnOnce(&mut Ledger)) {
        change(&mut self.ledger.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// One more transaction is stored.
    pub fn committed(&self) {
        self.commits.fetch_add(1, Relaxed);
    }
}
