//! When files whose time has come are looked at: not while the journal has no room, and few of them not right
//! after others. Pure.

use std::time::{Duration, Instant};

use super::tracker::Tracker;

/// After something was recorded, fewer than so many files wait so long for company: each commit writes some
/// pages, however few files are in it, and flash wears out by pages. One file alone waits for nobody.
const COMPANY: usize = 16;
const COMPANY_PATIENCE: Duration = Duration::from_millis(75);

/// What is left over from a rush of so many goes at once: the rush is over, and there will be no company.
const RUSH: usize = 4 * COMPANY;

/// First and longest wait after the journal had no room.
const ROOM_PATIENCE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// What the journal's last answers mean for the next look.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// It had no room: nothing is looked at before this.
    hold_until: Option<Instant>,
    /// Something was recorded: few files are not looked at before this.
    gather_until: Option<Instant>,
    refusals: u32,
}

impl Pace {
    /// When files of `tracker` are to be looked at next.
    pub(super) fn next_look(&self, tracker: &Tracker) -> Option<Instant> {
        let first = tracker.next_deadline()?;
        let together = self.gather_until.map_or(first, |gather| gather.max(first));
        let look = tracker.deadline_of(COMPANY).map_or(together, |many| many.min(together));
        Some(self.hold_until.map_or(look, |hold| hold.max(look)))
    }

    /// The journal has recorded a batch of so many.
    pub(super) fn recorded(&mut self, files: usize, now: Instant) {
        self.refusals = 0;
        self.gather_until = (files < RUSH).then(|| now + COMPANY_PATIENCE);
    }

    /// The journal had no room for some of a batch. Gives how long they wait, and whether that is news.
    pub(super) fn refused(&mut self, now: Instant) -> (Duration, bool) {
        let wait = ROOM_PATIENCE.0.saturating_mul(1 << self.refusals.min(8)).min(ROOM_PATIENCE.1);
        let is_news = self.refusals == 0;
        self.refusals = self.refusals.saturating_add(1);
        self.hold_until = Some(now + wait);
        (wait, is_news)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        arrival::{Found, RelPath, Sighting},
        clock,
    };

    const QUIET: Duration = Duration::from_secs(1);

    /// A tracker that waits for so many files, seen a millisecond apart.
    fn tracker(files: u32, from: Instant) -> Tracker {
        let mut tracker = Tracker::new(QUIET, QUIET);
        for number in 0..files {
            let path = RelPath::from_bytes(number.to_string().as_bytes());
            let sighting = Sighting { path, sample: None, found: Found::Event };
            tracker.sighted(sighting, from + Duration::from_millis(number.into()));
        }
        tracker
    }

    #[test]
    fn one_file_waits_for_nobody() {
        let t = clock::mono();
        let mut pace = Pace::default();
        assert_eq!(pace.next_look(&tracker(0, t)), None);
        assert_eq!(pace.next_look(&tracker(1, t)), Some(t + QUIET));
        pace.recorded(1, t);
        assert_eq!(pace.next_look(&tracker(1, t)), Some(t + QUIET));
    }

    #[test]
    fn few_files_after_others_wait_for_company_and_many_do_not() {
        let t = clock::mono();
        let mut pace = Pace::default();
        pace.recorded(63, t + QUIET);
        assert_eq!(pace.next_look(&tracker(15, t)), Some(t + QUIET + COMPANY_PATIENCE));
        let sixteenth = t + QUIET + Duration::from_millis(15);
        assert_eq!(pace.next_look(&tracker(16, t)), Some(sixteenth));
        assert_eq!(pace.next_look(&tracker(999, t)), Some(sixteenth));
        pace.recorded(64, t + QUIET);
        assert_eq!(pace.next_look(&tracker(15, t)), Some(t + QUIET), "the rest of a rush");
    }

    #[test]
    fn while_the_journal_has_no_room_nothing_is_looked_at_however_much_waits() {
        let t = clock::mono();
        let (mut pace, now) = (Pace::default(), t + QUIET);
        let waits: Vec<_> = (0..7).map(|_| pace.refused(now)).collect();
        let seconds = [1, 2, 4, 8, 16, 30, 30].map(Duration::from_secs);
        assert_eq!(waits.iter().map(|(wait, _)| *wait).collect::<Vec<_>>(), seconds);
        assert_eq!(waits.iter().filter(|(_, is_news)| *is_news).count(), 1);
        let hold = now + Duration::from_secs(30);
        assert_eq!(pace.next_look(&tracker(999, t)), Some(hold));
        pace.recorded(1, hold);
        assert_eq!(pace.refused(hold), (Duration::from_secs(1), true), "from the beginning");
    }
}
