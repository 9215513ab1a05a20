//! A walk under way, and what becomes of the files that it meets: known, silently recorded, or news.

use std::time::Instant;

use super::scan::{Slice, Walk};
use crate::{
    arrival::{
        FirstScan, Found, Memory, Present, Recall, RelPath, Sample, Sighting, Unavailable, Version,
    },
    config::checked::{Initial, Watch},
    filesystem::Policy,
    lease::{self, Asked},
    stat,
};

pub(super) struct Tour {
    pub(super) walk: Walk,
    pub(super) began: Instant,
    /// How many files the journal knew.
    pub(super) known: u64,
    /// How many files it met whose size does not count.
    pub(super) other_size: u64,
    pub(super) first: Option<FirstScan>,
}

impl Tour {
    pub(super) fn new(walk: Walk, first: Option<FirstScan>, began: Instant) -> Self {
        Self { walk, began, known: 0, other_size: 0, first }
    }

    /// Whether what was there before is announced as initial, or recorded silently.
    pub(super) fn is_first(&self) -> bool {
        self.first.is_some()
    }

    /// Asks the journal which of these files are news.
    pub(super) fn news(
        &mut self,
        config: &Watch,
        memory: &dyn Memory,
        slice: Slice,
    ) -> Result<Vec<Sighting>, Unavailable> {
        self.other_size += slice.other_size;
        if slice.files.is_empty() {
            return Ok(Vec::new());
        }
        let baseline =
            self.first == Some(FirstScan::AsConfigured) && config.initial == Initial::Baseline;
        if baseline && slice.is_late {
            // It came while we were scanning, and the scan may have recorded it before we were told.
            return Ok(sightings(slice.files, Found::Event));
        }
        let unknown = self.unknown(memory, &slice)?;
        if baseline {
            let is_open = |(path, sample): &_| is_unfinished(config, slice.policy, path, sample);
            let (open, whole): (Vec<_>, _) = unknown.into_iter().partition(is_open);
            if !whole.is_empty() {
                memory.baseline(present(&whole, slice.policy))?;
            }
            return Ok(sightings(open, Found::Scan));
        }
        let initial = self.is_first() && !slice.is_late;
        Ok(sightings(unknown, if initial { Found::InitialScan } else { Found::Scan }))
    }

    /// The files that the journal does not know at this version.
    fn unknown(
        &mut self,
        memory: &dyn Memory,
        slice: &Slice,
    ) -> Result<Vec<(RelPath, Sample)>, Unavailable> {
        let answers = memory.recall(present(&slice.files, slice.policy))?;
        let both = slice.files.iter().zip(&answers);
        let unknown: Vec<_> = both
            .filter(|(_, answer)| **answer == Recall::Unknown)
            .map(|(file, _)| file.clone())
            .collect();
        // A late directory may be met twice: counting it would hide that others have gone.
        if !slice.is_late {
            self.known += (slice.files.len() - unknown.len()) as u64;
        }
        Ok(unknown)
    }
}

fn present(files: &[(RelPath, Sample)], policy: Policy) -> Vec<Present> {
    let one = |(path, sample): &(RelPath, Sample)| Present {
        path: path.clone(),
        version: Version::of(sample, policy.identity),
    };
    files.iter().map(one).collect()
}

fn sightings(files: Vec<(RelPath, Sample)>, found: Found) -> Vec<Sighting> {
    let one = |(path, sample)| Sighting { path, sample: Some(sample), found };
    files.into_iter().map(one).collect()
}

/// Whether a file is still to become whole: then it has not been there yet, as far as a baseline goes.
fn is_unfinished(config: &Watch, policy: Policy, path: &RelPath, sample: &Sample) -> bool {
    if let Some(marker) = &config.done_marker {
        let released = stat::exists(&marker.of(path).under(&config.path));
        if !matches!(released, Ok(true)) {
            return true;
        }
    }
    if !config.writer_detection || !policy.lease {
        return false;
    }
    match lease::ask(&path.under(&config.path), Some(sample)) {
        Ok(Asked::Writing) => true,
        Ok(Asked::File { sample: now, .. }) => now != *sample,
        Ok(Asked::NotAFile | Asked::Forbidden) | Err(_) => false,
    }
}

#[cfg(test)]
mod tests;
