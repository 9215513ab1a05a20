//! How long everything has been well without a break. Pure.

use std::time::{Duration, Instant};

/// After so long a start counts as a good one.
const GOOD_AFTER: Duration = Duration::from_mins(10);

/// The present spell of good health.
#[derive(Clone, Copy, Debug)]
pub struct Spell {
    since: Instant,
    is_told: bool,
}

impl Spell {
    /// Begins with the process.
    pub fn new(now: Instant) -> Self {
        Self { since: now, is_told: false }
    }

    /// Takes how it is at `now`. True once: when this start has turned out to be a good one.
    pub fn turn(&mut self, is_well: bool, now: Instant) -> bool {
        if !is_well {
            self.since = now;
        }
        let is_good = !self.is_told && now.saturating_duration_since(self.since) >= GOOD_AFTER;
        self.is_told |= is_good;
        is_good
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_good_minutes_without_a_break_are_told_once() {
        let start = crate::clock::mono();
        let mut spell = Spell::new(start);
        let turns =
            [(0, true), (5, true), (6, false), (15, true), (16, true), (17, true), (40, true)];
        let told: Vec<u64> = turns
            .into_iter()
            .filter(|(minute, is_well)| spell.turn(*is_well, start + Duration::from_mins(*minute)))
            .map(|(minute, _)| minute)
            .collect();
        assert_eq!(told, [16]);
    }
}
