//! The vocabulary that the stages share: what a file is called, which version of it was seen, the id that
//! follows from both, and what one stage tells or asks another. No behaviour beyond parsing, printing and
//! hashing; no I/O.

mod event;
mod memory;
mod name;
mod outbox;
mod path;
mod stages;
mod version;

pub use self::{
    event::EventId,
    memory::{
        Answers, FirstScan, Memory, Present, Recall, Recorded, Recorder, Scanned, Unavailable,
    },
    name::Name,
    outbox::{Conclusion, Due, DueBatch, Outbox, Refusal, UrlPrint, Wake},
    path::{RelPath, Shown},
    stages::{Found, Report, Settled, Sighting},
    version::{Identity, Kind, Sample, Stamp, Version, Witness},
};

#[cfg(test)]
mod tests;
