//! Which files are waiting to become whole, and until when. Pure: `now` comes in, deadlines come out.
//!
//! A file is settled when nothing has happened to its name for a quiet period, it looks exactly as it did
//! at the start of that period, and no writer has it open. Every sign of life starts the period again. All
//! of it is monotonic time of our own observation: mtime lies in about half of real drops.

mod stuck;
mod waiting;

pub(crate) use self::stuck::Stuck;

use std::{
    collections::{BTreeSet, HashMap},
    io,
    time::{Duration, Instant},
};

use crate::{
    arrival::{Found, Identity, RelPath, Sample, Settled, Sighting, Version},
    filesystem::Policy,
};

/// How long to wait for descriptors or memory.
const SHORTAGE_PATIENCE: Duration = Duration::from_secs(2);

/// The longest wait between two probes of a file that a writer holds.
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
        /// What to expect of the file system that holds it, which need not be that of the root.
        policy: Policy,
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
    /// They can be seen on this file system, and nobody could say; the quiet period has to do.
    NoOpinion,
    /// They cannot be seen on this file system.
    Unseen,
}

/// The candidates of one root.
#[derive(Debug)]
pub(crate) struct Tracker {
    /// As configured.
    quiet_asked: Duration,
    poll_interval: Duration,
    /// On the file system of the root.
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
    /// Since when it has not been whole.
    unsettled_since: Instant,
    /// The last sign of life.
    changed: Instant,
    until: Instant,
    refusals: u32,
    /// When a writer was first met since it last changed.
    held_since: Option<Instant>,
    /// It was whole, and the journal had no room for it.
    refused: bool,
    /// Whether it was named as stuck.
    told: bool,
}

impl Candidate {
    /// Its quiet period begins, with this look of it. What was taken back without one is whole as far as anybody
    /// knows, unless `is_event`.
    fn looks_like(&mut self, sample: Option<Sample>, is_event: bool, now: Instant) {
        if is_event || self.sample.is_some() {
            self.unsettle(now);
        }
        self.sample = sample;
        self.changed = now;
        self.refusals = 0;
        self.held_since = None;
    }

    /// It is not whole, or not any more.
    fn unsettle(&mut self, now: Instant) {
        if std::mem::take(&mut self.refused) {
            self.unsettled_since = now;
        }
    }
}

impl Tracker {
    /// By the keys `quiet` and `poll_interval`, on a root that nothing is known of yet.
    pub(crate) fn new(quiet: Duration, poll_interval: Duration) -> Self {
        Self {
            quiet_asked: quiet,
            poll_interval,
            quiet,
            waiting: HashMap::new(),
            deadlines: BTreeSet::new(),
            path_bytes: 0,
        }
    }

    /// The root lies on such a file system, and its quiet period is this. It applies to what is sighted from now
    /// on; a longer one also to what waits, for it may have been sighted on the file system that is there now.
    pub(crate) fn adopt(&mut self, policy: Policy) -> Duration {
        let quiet = self.quiet_on(policy);
        let longer = quiet.saturating_sub(self.quiet);
        self.quiet = quiet;
        if !longer.is_zero() {
            self.waiting.values_mut().for_each(|candidate| candidate.until += longer);
            let deadlines = std::mem::take(&mut self.deadlines).into_iter();
            self.deadlines = deadlines.map(|(until, path)| (until + longer, path)).collect();
        }
        quiet
    }

    fn quiet_on(&self, policy: Policy) -> Duration {
        policy.quiet(self.quiet_asked, self.poll_interval)
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
                unsettled_since: now,
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
        candidate.looks_like(sighting.sample, sighting.found == Found::Event, now);
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
        let quiet = match outcome {
            Outcome::Looked { policy, .. } => self.quiet_on(*policy),
            _ => self.quiet,
        };
        let Some(candidate) = self.waiting.get_mut(path) else { return Step::Dropped };
        let (step, wait) = match outcome {
            &Outcome::Looked { sample, policy, asked } if candidate.sample == Some(sample) => {
                // What was sighted by the root's period may lie where it has to be longer.
                let quiet_for = now.saturating_duration_since(candidate.changed);
                let rest = quiet.saturating_sub(quiet_for);
                if rest.is_zero() {
                    let (found, since) = (candidate.found, candidate.first_seen);
                    self.forget(path);
                    let settled = settled(path, &sample, policy.identity, found, since);
                    return Step::Settled(settled, Writers::of(policy, asked));
                }
                (Step::Waits, rest)
            }
            &Outcome::Looked { sample, .. } => {
                candidate.looks_like(Some(sample), false, now);
                (Step::Waits, quiet)
            }
            Outcome::Writing => {
                candidate.unsettle(now);
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
            unsettled_since: now,
            changed: now,
            until,
            refusals: 0,
            held_since: None,
            refused: true,
            told: false,
        };
        self.insert(settled.path, candidate);
    }
}

impl Writers {
    fn of(policy: Policy, asked: bool) -> Self {
        match (asked, policy.lease) {
            (true, _) => Self::RuledOut,
            (false, true) => Self::NoOpinion,
            (false, false) => Self::Unseen,
        }
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
