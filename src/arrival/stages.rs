//! What goes from stage to stage: watch to settle to journal.

use std::time::Instant;

use super::{RelPath, Sample, Version};
use crate::filesystem::Policy;

/// How a file came to our notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The kernel reported something: its quiet period starts again.
    Event,
    /// A scan saw it and the journal does not know this version.
    Scan,
    /// As `Scan`, during the first complete scan of its watch: marked `initial` in the body.
    InitialScan,
}

/// Stage 1 to 2: a selected entry was seen, and this is how it looked.
#[derive(Clone, Debug)]
pub struct Sighting {
    /// Which file.
    pub path: RelPath,
    /// How it looked; `None` when only its marker was seen.
    pub sample: Option<Sample>,
    /// How it was found.
    pub found: Found,
}

/// What the watch stage tells the settle stage of the same root.
#[derive(Clone, Debug)]
pub enum Report {
    /// The root was found and armed; this is what its file system can be trusted with.
    Armed(Policy),
    /// Entries that were seen, in the order they were looked at.
    Seen(Vec<Sighting>),
}

/// Stage 2 to 3: the file is whole and nobody is writing it.
#[derive(Clone, Debug)]
pub struct Settled {
    /// Which file.
    pub path: RelPath,
    /// Its version at the probe.
    pub version: Version,
    /// How it was found.
    pub found: Found,
    /// When it was first seen: tells what was there at a baseline from what landed during it.
    pub since: Instant,
}
