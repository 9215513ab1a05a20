//! Whether a heartbeat says that all is well. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use crate::arrival::Name;

/// An endpoint that has been down for so long is somebody's business.
const FAILING_LONG: Duration = Duration::from_mins(5);

/// What there is to judge by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Stages that do not turn over.
    pub(super) stuck: Vec<String>,
    /// Endpoints that count as down, or want nothing more.
    pub(super) failing: BTreeSet<Name>,
    /// Events given up so far, over all endpoints.
    pub(super) dead: u64,
}

/// What it remembers from one look to the next.
#[derive(Debug, Default)]
pub(super) struct Judge {
    failing_since: BTreeMap<Name, Instant>,
    dead: u64,
}

impl Judge {
    /// Why all is not well, one line for each reason; empty when it is.
    pub(super) fn reasons(&mut self, seen: &Seen, now: Instant) -> Vec<String> {
        let mut reasons: Vec<String> =
            seen.stuck.iter().map(|stage| format!("{stage} makes no progress")).collect();
        self.failing_since.retain(|name, _| seen.failing.contains(name));
        for name in &seen.failing {
            let since = *self.failing_since.entry(name.clone()).or_insert(now);
            let lasts = now.saturating_duration_since(since);
            if lasts >= FAILING_LONG {
                reasons.push(format!("endpoint {name} is down for {} s", lasts.as_secs()));
            }
        }
        // Fewer than before: a lane began anew, and with it its count.
        let more = seen.dead.saturating_sub(self.dead);
        self.dead = seen.dead;
        if more > 0 {
            reasons.push(format!("{more} events were given up"));
        }
        reasons
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
        let crm = BTreeSet::from([Name::parse("crm").unwrap()]);
        let well = Seen::default();
        let failing = Seen { failing: crm, ..Seen::default() };
        let dead = Seen { dead: 3, ..Seen::default() };
        let stuck = Seen { stuck: vec!["journal".into()], ..dead.clone() };
        for (secs, seen, expected) in [
            (0, &well, &[] as &[&str]),
            (10, &failing, &[]),
            (309, &failing, &[]),
            (310, &failing, &["endpoint crm is down for 300 s"]),
            (320, &well, &[]),
            (330, &failing, &[]),
            (340, &dead, &["3 events were given up"]),
            (350, &dead, &[]),
            (360, &stuck, &["journal makes no progress"]),
            (370, &well, &[]),
            (380, &dead, &["3 events were given up"]),
        ] {
            assert_eq!(judge.reasons(seen, at(secs)), expected, "after {secs} s");
        }
    }
}
