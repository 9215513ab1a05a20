//! Which files are waiting to become whole, and until when. Pure: `now` comes in, deadlines come out.
//!
//! A file is settled when nothing has happened to its name for a quiet period, it looks exactly as it did
//! at the start of that period, and no writer has it open. Every sign of life starts the period again. All
//! of it is monotonic time of our own observation: mtime lies in about half of real drops.

mod waiting;

use std::{
    collections::{BTreeSet, HashMap},
    io,
    time::{Duration, Instant},
};

use crate::arrival::{Found, Identity, RelPath, Sample, Settled, Sighting, Version};

/// The longest wait between two probes of a file that a writer holds.
const SHORTAGE_PATIENCE: Duration = Duration::from_secs(2);
const WRITER_PATIENCE: Duration = Duration::from_secs(30);

/// Memory for one candidate beside its path: its state, and its places in two collections.
const OVERHEAD: usize = 300;

/// What a look at a file found.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// A regular file that looks like this. `asked`: the kernel said that nobody writes it.
    Looked {
        /// How it looks.
        sample: Sample,
        /// What its version is made of.
        identity: Identity,
        /// Whether writers were ruled out, or could not be asked for.
        asked: bool,
    },
    /// Somebody has it open for writing.
    Writing,
    /// It is not there any more.
    Gone,
    /// It is no regular file.
    NotAFile,
    /// Its size does not count: whatever changes that is a new sighting.
    OtherSize,
    /// Its marker is missing: what brings it is a new sighting.
    NoMarker,
    /// The file system would not say. It is not waited for: the directory is the queue, and what cannot be
    /// looked at must not take the room of what can.
    Unclear(io::Error),
    /// This machine lacks something for the moment, and no event tells when that is over: it is looked at again.
    Short(io::Error),
}

/// What became of a file after a look.
#[derive(Debug)]
pub(crate) enum Step {
    /// Whole: hand it on.
    Settled(Settled, Writers),
    /// A writer has it open; `first` when that is news.
    HeldByWriter {
        /// Whether this is the first refusal since it last changed.
        first: bool,
    },
    /// It changed: another quiet period.
    Waits,
    /// No candidate any more.
    Dropped,
}

/// Whether the absence of writers is knowledge or hope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writers {
    /// The kernel says that there are none.
    RuledOut,
    /// Nobody could say; the quiet period has to do.
    NoOpinion,
}

/// The candidates of one root.
#[derive(Debug)]
pub(crate) struct Tracker {
    quiet: Duration,
    waiting: HashMap<RelPath, Candidate>,
    deadlines: BTreeSet<(Instant, RelPath)>,
    path_bytes: usize,
}

#[derive(Debug)]
struct Candidate {
    sample: Option<Sample>,
    found: Found,
    first_seen: Instant,
    /// The last sign of life.
    changed: Instant,
    until: Instant,
    refusals: u32,
    /// When a writer was first met since it last changed.
    held_since: Option<Instant>,
    /// The journal had no room for it.
    refused: bool,
    /// Whether it was named as stuck.
    told: bool,
}

impl Candidate {
    /// Something happened to it.
    fn lives(&mut self, now: Instant) {
        self.changed = now;
        self.refusals = 0;
        self.held_since = None;
        self.refused = false;
    }
}

impl Tracker {
    pub(crate) fn new(quiet: Duration) -> Self {
        Self { quiet, waiting: HashMap::new(), deadlines: BTreeSet::new(), path_bytes: 0 }
    }

    /// Applies to what is sighted from now on; a longer one also to what waits, for it may have been sighted on
    /// the file system that is there now.
    pub(crate) fn set_quiet(&mut self, quiet: Duration) {
        let longer = quiet.saturating_sub(self.quiet);
        self.quiet = quiet;
        if !longer.is_zero() {
            self.waiting.values_mut().for_each(|candidate| candidate.until += longer);
            let deadlines = std::mem::take(&mut self.deadlines).into_iter();
            self.deadlines = deadlines.map(|(until, path)| (until + longer, path)).collect();
        }
    }

    /// How many files are waiting.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// About how much memory they take.
    pub(crate) fn bytes(&self) -> usize {
        self.waiting.len() * OVERHEAD + self.path_bytes
    }

    /// Takes a sighting in. An event, or a change, starts the quiet period (again).
    pub(crate) fn sighted(&mut self, sighting: Sighting, now: Instant) {
        let until = now + self.quiet;
        let Some(candidate) = self.waiting.get_mut(&sighting.path) else {
            let candidate = Candidate {
                sample: sighting.sample,
                found: sighting.found,
                first_seen: now,
                changed: now,
                until,
                refusals: 0,
                held_since: None,
                refused: false,
                told: false,
            };
            self.insert(sighting.path, candidate);
            return;
        };
        if sighting.found != Found::Event && sighting.sample == candidate.sample {
            return; // a scan only met what is being waited for
        }
        // It may have been there at a baseline, and lands again now. What was there at an initial scan stays so.
        if candidate.found == Found::Scan {
            candidate.found = sighting.found;
        }
        candidate.sample = sighting.sample;
        candidate.lives(now);
        self.deadlines.remove(&(candidate.until, sighting.path.clone()));
        candidate.until = until;
        self.deadlines.insert((until, sighting.path));
    }

    fn insert(&mut self, path: RelPath, candidate: Candidate) {
        self.path_bytes += path.as_bytes().len();
        self.deadlines.insert((candidate.until, path.clone()));
        self.waiting.insert(path, candidate);
    }

    fn forget(&mut self, path: &RelPath) {
        if self.waiting.remove(path).is_some() {
            self.path_bytes -= path.as_bytes().len();
        }
    }

    /// When the next look is due.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(until, _)| *until)
    }

    /// When so many looks are due.
    pub(crate) fn deadline_of(&self, many: usize) -> Option<Instant> {
        self.deadlines.iter().nth(many.saturating_sub(1)).map(|(until, _)| *until)
    }

    /// Files to look at now, at most `max`, with how they looked last. Each wants one [`Tracker::looked`].
    pub(crate) fn due(&mut self, now: Instant, max: usize) -> Vec<(RelPath, Option<Sample>)> {
        let mut due = Vec::new();
        while due.len() < max && self.next_deadline().is_some_and(|until| until <= now) {
            let Some((_, path)) = self.deadlines.pop_first() else { break };
            let sample = self.waiting.get(&path).and_then(|candidate| candidate.sample);
            due.push((path, sample));
        }
        due
    }

    /// Judges a look at a file that was due.
    pub(crate) fn looked(&mut self, path: &RelPath, outcome: &Outcome, now: Instant) -> Step {
        let Some(candidate) = self.waiting.get_mut(path) else { return Step::Dropped };
        let (step, wait) = match outcome {
            &Outcome::Looked { sample, identity, asked } if candidate.sample == Some(sample) => {
                let (found, since) = (candidate.found, candidate.first_seen);
                self.forget(path);
                let writers = if asked { Writers::RuledOut } else { Writers::NoOpinion };
                return Step::Settled(settled(path, &sample, identity, found, since), writers);
            }
            &Outcome::Looked { sample, .. } => {
                candidate.sample = Some(sample);
                candidate.lives(now);
                (Step::Waits, self.quiet)
            }
            Outcome::Writing => {
                let first = candidate.refusals == 0;
                let wait = self.quiet.saturating_mul(1 << candidate.refusals.min(8));
                candidate.refusals += 1;
                candidate.held_since.get_or_insert(now);
                (Step::HeldByWriter { first }, wait.min(WRITER_PATIENCE.max(self.quiet)))
            }
            Outcome::Short(_) => (Step::Waits, SHORTAGE_PATIENCE.max(self.quiet)),
            Outcome::Gone
            | Outcome::NotAFile
            | Outcome::OtherSize
            | Outcome::NoMarker
            | Outcome::Unclear(_) => {
                self.forget(path);
                return Step::Dropped;
            }
        };
        candidate.until = now + wait;
        self.deadlines.insert((candidate.until, path.clone()));
        step
    }

    /// Takes back a settled file that the journal had no room for: it is looked at again after `wait`.
    pub(crate) fn again(&mut self, settled: Settled, wait: Duration, now: Instant) {
        if self.waiting.contains_key(&settled.path) {
            return;
        }
        let until = now + wait;
        let candidate = Candidate {
            sample: None,
            found: settled.found,
            first_seen: settled.since,
            changed: now,
            until,
            refusals: 0,
            held_since: None,
            refused: true,
            told: false,
        };
        self.insert(settled.path, candidate);
    }

    /// Files that have been waiting for longer than `after` and were not named before, with the time.
    pub(crate) fn stuck(&mut self, after: Duration, now: Instant) -> Vec<(RelPath, Duration)> {
        let mut stuck = Vec::new();
        for (path, candidate) in &mut self.waiting {
            let age = now.saturating_duration_since(candidate.first_seen);
            if age >= after && !candidate.told {
                candidate.told = true;
                stuck.push((path.clone(), age));
            }
        }
        stuck
    }
}

fn settled(
    path: &RelPath,
    sample: &Sample,
    identity: Identity,
    found: Found,
    since: Instant,
) -> Settled {
    Settled { path: path.clone(), version: Version::of(sample, identity), found, since }
}

#[cfg(test)]
mod tests;
