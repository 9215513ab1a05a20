//! What watching and settling ask of the journal.

use super::{EventId, RelPath, Settled, Version};

/// What the journal answered to one [`Settled`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// A new arrival, on stable storage.
    New(EventId),
    /// This version was announced before.
    AlreadySeen,
    /// The outbox is full or the journal is not usable: hold on to the file and come again.
    NoRoom,
}

/// Stage 1 asks stage 3: an entry that a scan found, and the version it shows.
#[derive(Clone, Debug)]
pub struct Present {
    /// Which file.
    pub path: RelPath,
    /// How it looks now, settled or not.
    pub version: Version,
}

/// Gives one answer for each file of a batch, once they are on stable storage (P4); blocks until then.
pub type Answers = Box<dyn FnOnce() -> Vec<Recorded> + Send>;

/// What settling needs of the journal. One watch's view of it.
pub trait Recorder: Send {
    /// Has arrivals made of these files, in this order, and after those of earlier batches.
    fn record(&self, batch: Vec<Settled>) -> Answers;
}

/// What one complete scan of a whole watch found.
#[derive(Clone, Copy, Debug)]
pub struct Scanned {
    /// How many entries the journal knew, as [`Memory::recall`] answered.
    pub known: u64,
    /// The file system's own id: tombstones are made only where it has not changed.
    pub filesystem: u64,
    /// What [`Memory::first_scan`] said when the scan began.
    pub first: Option<FirstScan>,
}

/// What scanning needs of the journal. One watch's view of it; every call blocks its own thread.
pub trait Memory: Send {
    /// Which of `entries` the journal does not know at this version.
    fn recall(&self, entries: Vec<Present>) -> Result<Vec<Recall>, Unavailable>;

    /// Records `entries` as known without announcing them.
    fn baseline(&self, entries: Vec<Present>) -> Result<(), Unavailable>;

    /// How the first complete scan of this watch is to treat what it finds; `None` once it has ended.
    fn first_scan(&self) -> Result<Option<FirstScan>, Unavailable>;

    /// A complete scan has ended. True when the journal remembers entries that the scan did not meet.
    fn scanned(&self, scan: Scanned) -> Result<bool, Unavailable>;

    /// Some remembered entries after `after` in path order, to be looked at; empty at the end.
    fn remembered(&self, after: RelPath) -> Result<Vec<RelPath>, Unavailable>;

    /// These entries are gone: kept as tombstones for a while, then forgotten.
    fn gone(&self, paths: Vec<RelPath>) -> Result<(), Unavailable>;
}

/// One answer of [`Memory::recall`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recall {
    /// Committed before at this version.
    Known,
    /// New, or changed since.
    Unknown,
}

/// See [`Memory::first_scan`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstScan {
    /// As configured.
    AsConfigured,
    /// The database was lost: nothing may become a silent baseline, everything is announced again under
    /// its old id.
    AfterLoss,
}

/// The journal cannot answer now (it is being opened, repaired, or its disk fails): ask again later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the journal is not usable now")]
pub struct Unavailable;
