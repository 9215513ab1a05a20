//! What the two threads of a watch report.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use super::Beat;
use crate::arrival::RelPath;

/// Waiting files that are named, per watch; of the rest there is a count.
pub const SHOWN_MAX: usize = 50;

/// Why a file is not announced yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// It changed, or was first seen; its quiet period is not over.
    Changed {
        /// When.
        at: Instant,
    },
    /// A process has it open for writing.
    OpenForWriting {
        /// When that was first seen.
        since: Instant,
    },
    /// The journal has no room for it.
    NoRoom,
    /// The file that releases it is not there.
    NoMarker,
    /// The file system refuses to say how it looks.
    Unclear {
        /// Why, in one line.
        error: String,
    },
}

/// One file that is waited for.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// Below the root.
    pub path: RelPath,
    /// Bytes, as far as they are known.
    pub size: Option<u64>,
    /// When it was first seen.
    pub since: Instant,
    /// Why.
    pub why: Why,
}

/// What the settling thread waits for.
#[derive(Debug, Default)]
pub struct WaitingList {
    /// Files whose quiet period is not over.
    pub changed: u64,
    /// Files that somebody has open for writing.
    pub open: u64,
    /// Files that the journal had no room for.
    pub no_room: u64,
    /// Those that have been waiting for longest, oldest first; at most [`SHOWN_MAX`].
    pub oldest: Vec<Waiting>,
    /// Files that are only looked at again when something happens to them or a scan meets them: they lack
    /// their marker, or cannot be looked at. With the number of whole scans that had ended when each was seen;
    /// at most [`SHOWN_MAX`].
    pub aside: Vec<(Waiting, u64)>,
}

/// What the watching thread sees of its root.
#[derive(Clone, Debug, Default)]
pub enum Sight {
    /// It was not looked at yet.
    #[default]
    None,
    /// It is watched.
    Watching,
    /// It cannot be watched now.
    Suspended {
        /// Since when.
        since: Instant,
        /// Why, in one line.
        reason: String,
    },
}

/// The last scan of the whole root.
#[derive(Clone, Copy, Debug)]
pub struct LastScan {
    /// When it ended.
    pub ended: Instant,
    /// How long it took.
    pub took: Duration,
    /// Files that it met and whose size does not count.
    pub other_size: u64,
}

/// How a root is looked at.
#[derive(Clone, Debug, Default)]
pub struct Looks {
    /// Whether it is there.
    pub sight: Sight,
    /// `events` or `poll`; empty before it is known.
    pub backend: &'static str,
    /// The kind of file system; empty before it is known.
    pub filesystem: &'static str,
    /// Directories that the kernel watches.
    pub armed: u64,
    /// Directories that are scanned instead.
    pub polled: u64,
    /// Directories that cannot be read.
    pub unreadable: u64,
    /// The last scan of everything.
    pub last_scan: Option<LastScan>,
}

/// One watch. Everything is written by its own two threads.
#[derive(Debug)]
pub struct WatchVitals {
    path: PathBuf,
    /// The thread that watches and scans.
    pub looks: Arc<Beat>,
    /// The thread that settles.
    pub settles: Arc<Beat>,
    /// Files that became events.
    pub recorded: AtomicU64,
    /// Files that settled at a version that was announced before.
    pub known: AtomicU64,
    /// Files whose size does not count.
    pub ignored: AtomicU64,
    /// Files that settled where writers can be seen, without that anybody could be asked for them.
    pub unasked: AtomicU64,
    /// Whole scans that ended.
    pub scans: AtomicU64,
    /// Times that the kernel lost events.
    pub overflows: AtomicU64,
    state: Mutex<Looks>,
    waiting: Mutex<Arc<WaitingList>>,
}

impl WatchVitals {
    /// Of the watch over `path`.
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            looks: Arc::default(),
            settles: Arc::default(),
            recorded: AtomicU64::new(0),
            known: AtomicU64::new(0),
            ignored: AtomicU64::new(0),
            unasked: AtomicU64::new(0),
            scans: AtomicU64::new(0),
            overflows: AtomicU64::new(0),
            state: Mutex::default(),
            waiting: Mutex::default(),
        }
    }

    /// What is watched.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Counts more.
    pub fn count(counter: &AtomicU64, more: u64) {
        counter.fetch_add(more, Relaxed);
    }

    /// How the root is looked at.
    pub fn state(&self) -> Looks {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes what is said of the root.
    pub fn change(&self, change: impl FnOnce(&mut Looks)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// A scan of everything has ended.
    pub fn scanned(&self, scan: LastScan) {
        self.change(|state| state.last_scan = Some(scan));
        Self::count(&self.scans, 1);
    }

    /// What settling waits for, as published last.
    pub fn waiting(&self) -> Arc<WaitingList> {
        Arc::clone(&self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Says what settling waits for.
    pub fn set_waiting(&self, list: WaitingList) {
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(list);
    }

    /// How many whole scans have ended.
    pub fn scans(&self) -> u64 {
        self.scans.load(Relaxed)
    }
}
