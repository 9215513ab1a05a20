//! Whether a heartbeat says that all is well. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

/// A part through which no file has come for so long is somebody's business.
const STANDING_LONG: Duration = Duration::from_mins(5);

/// What there is to judge by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Stages that do not turn over.
    pub(super) stuck: Vec<String>,
    /// The journal, watches and endpoints through which nothing comes, for whatever reason.
    pub(super) standing: BTreeSet<String>,
    /// Events given up so far, over all endpoints.
    pub(super) dead: u64,
}

/// What it remembers from one look to the next.
#[derive(Debug, Default)]
pub(super) struct Judge {
    standing_since: BTreeMap<String, Instant>,
    /// Events given up: as seen last, and as told to somebody who took it.
    dead: u64,
    dead_told: u64,
}

impl Judge {
    /// Why all is not well, one line for each reason; empty when it is.
    pub(super) fn reasons(&mut self, seen: &Seen, now: Instant) -> Vec<String> {
        let mut reasons: Vec<String> =
            seen.stuck.iter().map(|stage| format!("{stage} makes no progress")).collect();
        self.standing_since.retain(|part, _| seen.standing.contains(part));
        for part in &seen.standing {
            let since = *self.standing_since.entry(part.clone()).or_insert(now);
            let lasts = now.saturating_duration_since(since);
            if lasts >= STANDING_LONG && !seen.stuck.contains(part) {
                reasons.push(format!("{part} is not ready for {} s", lasts.as_secs()));
            }
        }
        // Fewer than before: a lane began anew, and with it its count.
        self.dead_told = self.dead_told.min(seen.dead);
        self.dead = seen.dead;
        let more = self.dead - self.dead_told;
        if more > 0 {
            reasons.push(format!("{more} events were given up"));
        }
        reasons
    }

    /// The reasons were taken: what is told once is not told again.
    pub(super) fn taken(&mut self) {
        self.dead_told = self.dead;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn a_stage_that_is_stuck_a_long_failure_and_a_dead_letter_are_reasons() {
        let (mut judge, start) = (Judge::default(), clock::mono());
        let at = |secs| start + Duration::from_secs(secs);
        let well = Seen::default();
        let down = Seen { standing: BTreeSet::from(["endpoint crm".into()]), ..Seen::default() };
        let more = Seen {
            standing: BTreeSet::from(["endpoint crm".into(), "journal".into()]),
            ..Seen::default()
        };
        let dead = Seen { dead: 3, ..Seen::default() };
        let stuck = Seen { stuck: vec!["journal".into()], ..dead.clone() };
        for (secs, seen, expected) in [
            (0, &well, &[] as &[&str]),
            (10, &down, &[]),
            (309, &more, &[]),
            (310, &more, &["endpoint crm is not ready for 300 s"]),
            (320, &well, &[]),
            (330, &down, &[]),
            (340, &dead, &["3 events were given up"]),
            (350, &dead, &[]),
            (360, &stuck, &["journal makes no progress"]),
            (370, &well, &[]),
            (380, &dead, &["3 events were given up"]),
        ] {
            assert_eq!(judge.reasons(seen, at(secs)), expected, "after {secs} s");
            judge.taken();
        }
    }

    #[test]
    fn what_was_given_up_is_told_until_somebody_takes_it() {
        let (mut judge, now) = (Judge::default(), clock::mono());
        let mut dead = |count, taken| {
            let reasons = judge.reasons(&Seen { dead: count, ..Seen::default() }, now);
            if taken {
                judge.taken();
            }
            reasons
        };
        assert_eq!(dead(1, false), ["1 events were given up"]);
        assert_eq!(dead(3, true), ["3 events were given up"]);
        assert_eq!(dead(4, false), ["1 events were given up"]);
        assert!(dead(0, false).is_empty(), "the lane began anew");
        assert_eq!(dead(2, true), ["2 events were given up"]);
        assert!(dead(2, false).is_empty());
    }

    #[test]
    fn a_part_that_is_stuck_is_told_once() {
        let (mut judge, now) = (Judge::default(), clock::mono());
        let (stuck, standing) = (vec!["journal".into()], BTreeSet::from(["journal".into()]));
        let seen = Seen { stuck, standing, dead: 0 };
        judge.reasons(&seen, now);
        let reasons = judge.reasons(&seen, now + STANDING_LONG);
        assert_eq!(reasons, ["journal makes no progress"]);
    }
}
