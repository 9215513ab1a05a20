//! What answers mean, and what they cost, as a person would say it.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::{arrival::Due, config::checked::Statuses, http::Fault};

pub(super) const DELAYS: [u64; 3] = [5, 30, 1800];
pub(super) const ATTEMPTS: u32 = 6;

pub(super) fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// What came of one request.
#[derive(Clone, Debug)]
pub(super) enum Came {
    Answer { status: u16, after: Option<u64>, skewed: bool },
    Nothing(Fault),
}

/// What it means, in words of the README's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Taken,
    Failed,
    Slow,
    WrongEndpoint,
    WrongProxy,
    Refused,
    RefusedForGood,
    Gone,
    WrongClock,
    OurFault,
}

pub(super) use Meaning::{
    Failed, Gone as Leaves, OurFault, Refused, RefusedForGood, Slow as Asks, Taken, WrongClock,
    WrongEndpoint, WrongProxy,
};

pub(super) fn meaning(came: &Came, statuses: &Statuses) -> Meaning {
    match came {
        Came::Answer { status, after, skewed } => {
            meaning_of(*status, after.is_some_and(|after| after > 0), *skewed, statuses)
        }
        Came::Nothing(Fault::Tls(_) | Fault::Blocked(_)) => WrongEndpoint,
        Came::Nothing(Fault::Proxy(_)) => WrongProxy,
        Came::Nothing(Fault::Local(_)) => OurFault,
        Came::Nothing(_) => Failed,
    }
}

fn meaning_of(status: u16, after: bool, skewed: bool, statuses: &Statuses) -> Meaning {
    let table: [(&[u16], Meaning); 7] = [
        (&[410], Leaves),
        (&[407], WrongProxy),
        (&[420, 429, 509, 529], Asks),
        (&[400, 406, 412, 413, 415, 416, 418, 422], Refused),
        (&[408, 409, 421, 423, 424, 425], Failed),
        (&[501, 505, 506, 510, 511], WrongEndpoint),
        (if after { &[502, 503, 504] } else { &[] }, Asks),
    ];
    if statuses.success.contains(&status) {
        return Taken;
    }
    if skewed && [400, 401, 403].contains(&status) {
        return WrongClock;
    }
    if statuses.retry.contains(&status) {
        return Failed;
    }
    if statuses.permanent.contains(&status) {
        return RefusedForGood;
    }
    let listed = table.iter().find(|(numbers, _)| numbers.contains(&status));
    listed.map_or_else(
        || match status / 100 {
            2 => Taken,
            3 | 4 => WrongEndpoint,
            _ => Failed,
        },
        |(_, meaning)| *meaning,
    )
}

/// One event, as the journal and the lane together should know it.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) due: Due,
    /// The journal hands it out from then on.
    pub(super) at: Instant,
    /// What was scheduled when it failed last.
    pub(super) scheduled: Option<Instant>,
    pub(super) rejections: u32,
}

/// What should be true of the lane.
pub(super) struct Model {
    pub(super) events: BTreeMap<i64, Event>,
    pub(super) open: Option<Outage>,
    pub(super) failures: u32,
    pub(super) success: Instant,
    pub(super) paused: Option<Instant>,
    pub(super) local_wait: u64,
    pub(super) parked: bool,
    /// Requests under way, and which of them ask whether an outage is over.
    pub(super) running: Vec<(i64, bool)>,
}

pub(super) struct Outage {
    pub(super) since: Instant,
    pub(super) wait: Duration,
    pub(super) probe_at: Instant,
}

/// What a failure costs an event.
pub(super) struct Charge {
    pub(super) attempts: u32,
    /// Between which delays it comes again; `None`: it is dead.
    pub(super) again: Option<(Duration, Duration)>,
    /// It was tried before its time, and keeps that.
    pub(super) early: bool,
}

/// From a Retry-After to what is waited: up to a tenth more, and no more than a minute.
pub(super) fn asked(came: &Came) -> Option<(Duration, Duration)> {
    let Came::Answer { status: 300.., after: Some(after @ 1..), .. } = came else { return None };
    let after = secs(*after).min(secs(86_400));
    Some((after, after + (after / 10).min(secs(60))))
}

impl Model {
    pub(super) fn may_start(&self, now: Instant) -> bool {
        let probing = self.running.iter().any(|(_, probe)| *probe);
        let admits = self.open.as_ref().is_none_or(|open| !probing && now >= open.probe_at);
        !self.parked && self.paused.is_none_or(|until| now >= until) && admits
    }

    pub(super) fn alive(&mut self, now: Instant) -> Option<Duration> {
        (self.failures, self.success, self.local_wait) = (0, now, 1);
        let open = self.open.take()?;
        self.running.iter_mut().for_each(|(_, probe)| *probe = false);
        Some(now - open.since)
    }

    /// Whether this opens the breaker.
    pub(super) fn failed(&mut self, at_once: bool, probe: bool, now: Instant) -> bool {
        self.failures += 1;
        self.local_wait = 1;
        if let Some(open) = &mut self.open {
            if probe {
                let max = if now - open.since >= secs(3600) { secs(300) } else { secs(60) };
                open.wait = (open.wait * 2).min(max);
                open.probe_at = now + open.wait;
            }
            return false;
        }
        let opens = at_once || (self.failures >= 20 && now - self.success >= secs(10));
        if opens {
            self.open = Some(Outage { since: now, wait: secs(1), probe_at: now + secs(1) });
        }
        opens
    }

    /// What becomes of an event that was not taken.
    pub(super) fn charge(
        &mut self,
        seq: i64,
        meaning: Meaning,
        floor: Option<(Duration, Duration)>,
        now: Instant,
    ) -> Option<Charge> {
        let event = self.events.get_mut(&seq)?;
        let (least, most) = floor.unwrap_or_default();
        let left = event.scheduled.map(|at| at.saturating_duration_since(now));
        let early = left.filter(|left| *left > Duration::from_millis(100));
        if let Some(left) = early.filter(|_| meaning != RefusedForGood) {
            let again = Some((left.max(least), left.max(most)));
            return Some(Charge { attempts: event.due.attempts, again, early: true });
        }
        let is_charged = !matches!(meaning, WrongProxy | WrongClock);
        let attempts = event.due.attempts + u32::from(is_charged);
        event.rejections += u32::from(meaning == Refused);
        let refused_for_good = meaning == Refused && event.rejections == 3;
        let is_last = is_charged && attempts == ATTEMPTS;
        if meaning == RefusedForGood || refused_for_good || is_last {
            return Some(Charge { attempts, again: None, early: false });
        }
        let base = match meaning {
            Refused => [300, 3600][event.rejections as usize - 1],
            _ => DELAYS[(attempts.max(1) as usize - 1).min(2)],
        };
        let minimum = match meaning {
            Asks | WrongClock => 60,
            WrongEndpoint | WrongProxy => 600,
            _ => 0,
        };
        let low = (secs(base) / 2).max(secs(minimum));
        let high = (secs(base) * 3 / 2).max(secs(minimum) * 3 / 2);
        let again = Some((low.max(least), high.max(most)));
        Some(Charge { attempts, again, early: false })
    }
}
