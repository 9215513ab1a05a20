//! What one thread or task does at the moment.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Work that takes longer, and a deadline that passed by more, is no slow machine any more.
pub(super) const LIMIT: Duration = Duration::from_secs(30);

/// What a thread or task does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Works; each piece of work begins anew.
    Working {
        /// When this piece began.
        since: Instant,
        /// How long it may take.
        limit: Duration,
    },
    /// Asks the file system of a root something. Where that hangs, only the kernel can end it.
    Looking {
        /// When it asked.
        since: Instant,
    },
    /// Waits for others, or for a time.
    Waiting {
        /// When it turns at the latest; `None`: when there is something for it.
        until: Option<Instant>,
    },
}

/// In which way a [`Beat`] is late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lateness {
    /// A piece of work does not end, begun then.
    Stuck(Instant),
    /// It should have turned then, and did not.
    Overdue(Instant),
    /// The file system has not answered since then.
    Hangs(Instant),
}

impl Lateness {
    /// Since when.
    pub fn since(self) -> Instant {
        match self {
            Self::Stuck(since) | Self::Overdue(since) | Self::Hangs(since) => since,
        }
    }
}

/// What one thread or task says about itself. Written by it alone, read by anybody.
#[derive(Debug)]
pub struct Beat(Mutex<Doing>);

impl Default for Beat {
    fn default() -> Self {
        Self(Mutex::new(Doing::Waiting { until: None }))
    }
}

impl Beat {
    /// A piece of work begins.
    pub fn begin(&self, now: Instant) {
        self.begin_long(now, LIMIT);
    }

    /// As [`Beat::begin`], for work that may take as long as `limit`.
    pub fn begin_long(&self, now: Instant, limit: Duration) {
        self.set(Doing::Working { since: now, limit });
    }

    /// The file system is asked something.
    pub fn look(&self, now: Instant) {
        self.set(Doing::Looking { since: now });
    }

    /// Waits, and turns at `until` at the latest.
    pub fn wait_until(&self, until: Instant) {
        self.set(Doing::Waiting { until: Some(until) });
    }

    /// Waits for as long as there is nothing for it.
    pub fn wait(&self) {
        self.set(Doing::Waiting { until: None });
    }

    /// Waits for another stage, whose own beat tells whether it is stuck; gives what it was doing, for
    /// [`Beat::resume`].
    pub fn wait_for_another(&self) -> Doing {
        let mut doing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut doing, Doing::Waiting { until: None })
    }

    /// Goes on with what it was doing before it waited.
    pub fn resume(&self, before: Doing, now: Instant) {
        self.set(match before {
            Doing::Working { limit, .. } => Doing::Working { since: now, limit },
            Doing::Looking { .. } => Doing::Looking { since: now },
            waiting @ Doing::Waiting { .. } => waiting,
        });
    }

    /// What it does now.
    pub fn doing(&self) -> Doing {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is late at `now`.
    pub fn lateness(&self, now: Instant) -> Option<Lateness> {
        let (late_from, lateness) = self.threat()?;
        (now >= late_from).then_some(lateness)
    }

    /// From when it will be late, if it goes on as it does.
    pub fn late_from(&self) -> Option<Instant> {
        self.threat().map(|(late_from, _)| late_from)
    }

    fn threat(&self) -> Option<(Instant, Lateness)> {
        Some(match self.doing() {
            Doing::Working { since, limit } => (since + limit, Lateness::Stuck(since)),
            Doing::Looking { since } => (since + LIMIT, Lateness::Hangs(since)),
            Doing::Waiting { until: Some(until) } => (until + LIMIT, Lateness::Overdue(until)),
            Doing::Waiting { until: None } => return None,
        })
    }

    fn set(&self, doing: Doing) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = doing;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lasts_too_long_is_late_and_waiting_for_others_is_not() {
        let (beat, start) = (Beat::default(), crate::clock::mono());
        let limit = start + LIMIT;
        let almost = start + LIMIT.saturating_sub(Duration::from_millis(1));
        let at = |now| beat.lateness(now);
        assert_eq!(at(start + LIMIT * 1000), None, "nothing has begun");
        beat.begin(start);
        assert_eq!((at(almost), at(limit)), (None, Some(Lateness::Stuck(start))));
        assert_eq!(beat.late_from(), Some(limit));
        beat.begin_long(start, LIMIT * 9);
        assert_eq!((at(limit), at(start + LIMIT * 9)), (None, Some(Lateness::Stuck(start))));
        beat.look(start);
        assert_eq!((at(almost), at(limit)), (None, Some(Lateness::Hangs(start))));
        beat.wait_until(start);
        assert_eq!((at(almost), at(limit)), (None, Some(Lateness::Overdue(start))));
        beat.wait();
        assert_eq!(at(start + LIMIT * 1000), None);
    }

    #[test]
    fn a_wait_for_another_stage_is_no_part_of_the_work_around_it() {
        let (beat, start) = (Beat::default(), crate::clock::mono());
        beat.look(start);
        let before = beat.wait_for_another();
        assert_eq!(beat.lateness(start + LIMIT * 1000), None);
        let after = start + LIMIT * 1000;
        beat.resume(before, after);
        assert_eq!(beat.doing(), Doing::Looking { since: after });
    }
}
