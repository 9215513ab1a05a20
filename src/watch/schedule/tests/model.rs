//! Anything in any order, against a model of what is wanted and when: nothing is forgotten, nothing is done
//! without a reason, and nobody is woken in vain.

use proptest::prelude::*;

use super::super::*;

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// What happens to a root.
#[derive(Clone, Debug)]
enum Deed {
    /// The kernel hints at a directory.
    Hint(u8),
    /// A file with several names changed.
    SeveralNames,
    /// A directory cannot be opened for want of descriptors.
    Shortage(u8),
    /// The next walk meets a journal that cannot answer.
    JournalFails,
    Wait(u64),
    /// As long as the schedule says.
    Sleep,
    /// The walk under way has taken so long.
    Ends(u64),
}

/// What is wanted, and when.
struct Model {
    poll: Duration,
    rescan: Duration,
    polled: Polled,
    /// Places that nobody has begun to scan since they were named.
    wanted: BTreeSet<RelPath>,
    held_until: Instant,
    whole_at: Instant,
    hastened: bool,
    hastened_from: Instant,
    poll_at: Instant,
}

impl Model {
    fn whole_due(&self) -> Instant {
        if self.hastened { self.whole_at.min(self.hastened_from) } else { self.whole_at }
    }

    /// When a walk should begin, if nothing more happens.
    fn due(&self, now: Instant) -> Instant {
        let due = match self.polled {
            _ if !self.wanted.is_empty() => now,
            Polled::Nothing => self.whole_due(),
            Polled::Some | Polled::Everything => self.whole_due().min(self.poll_at),
        };
        // Only what is wanted anyway can have met a journal, or a machine, that had to be left alone.
        if self.wanted.is_empty() { due } else { due.max(self.held_until) }
    }

    /// A walk begins: what has it to cover?
    fn begins(&mut self, now: Instant) -> BTreeSet<RelPath> {
        let mut wanted = std::mem::take(&mut self.wanted);
        let polls = now >= self.poll_at;
        if now >= self.whole_due() || (polls && self.polled == Polled::Everything) {
            wanted.insert(RelPath::root());
        } else if polls {
            // Until the walk ends, that one is the poll.
            self.poll_at = now + self.poll;
            if self.polled == Polled::Some {
                wanted.insert(polled_dir());
            }
        }
        if wanted.contains(&RelPath::root()) {
            self.hastened = false;
        }
        wanted
    }

    fn ends(&mut self, whole: bool, took: Duration, now: Instant) {
        self.poll_at = now + self.poll.max(took * 4);
        if whole {
            self.whole_at = now + self.rescan.max(took * 100);
            self.hastened_from = now + secs(5).max(took * 100);
        }
    }
}

fn dir(n: u8) -> RelPath {
    RelPath::from_bytes(format!("d{n}").as_bytes())
}

/// The kernel does not watch this one.
fn polled_dir() -> RelPath {
    dir(u8::MAX)
}

/// A root whose walks take no time but what a deed says, as `Root::turn` drives it.
struct Bench {
    schedule: Schedule,
    model: Model,
    now: Instant,
    walk: Option<BTreeSet<RelPath>>,
    journal_fails: bool,
    walks: u64,
}

type Checked = Result<(), TestCaseError>;

impl Bench {
    fn new(poll: Duration, rescan: Duration, polled: Polled) -> Self {
        let now = crate::clock::mono();
        let model = Model {
            poll,
            rescan,
            polled,
            wanted: BTreeSet::from([RelPath::root()]),
            held_until: now,
            whole_at: now,
            hastened: false,
            hastened_from: now,
            poll_at: now + poll,
        };
        let schedule = Schedule::new(poll, rescan, now);
        Self { schedule, model, now, walk: None, journal_fails: false, walks: 0 }
    }

    fn act(&mut self, deed: &Deed) -> Checked {
        match deed {
            Deed::Hint(n) => {
                self.schedule.mark(dir(*n));
                self.model.wanted.insert(dir(*n));
            }
            Deed::SeveralNames => {
                self.schedule.hasten();
                self.model.hastened = true;
            }
            Deed::Shortage(n) => {
                self.schedule.again_soon(dir(*n), self.now);
                self.model.wanted.insert(dir(*n));
                self.model.held_until = self.now + secs(2);
            }
            Deed::JournalFails => self.journal_fails = true,
            Deed::Wait(millis) => self.now += Duration::from_millis(*millis),
            Deed::Sleep => self.sleep()?,
            Deed::Ends(millis) => self.end(Duration::from_millis(*millis)),
        }
        self.turn()
    }

    /// As long as there is nothing to do; with a walk under way there is.
    fn sleep(&mut self) -> Checked {
        let until = self.schedule.next_turn(self.walk.is_some(), self.model.polled, self.now);
        if self.walk.is_some() {
            prop_assert!(until <= self.model.held_until.max(self.now), "a walk waits for nothing");
        } else {
            prop_assert_eq!(until.max(self.now), self.model.due(self.now).max(self.now));
        }
        self.now = self.now.max(until);
        Ok(())
    }

    fn turn(&mut self) -> Checked {
        let held = self.schedule.is_held(self.now);
        prop_assert_eq!(held, self.now < self.model.held_until);
        if held || self.walk.is_some() {
            return Ok(());
        }
        let is_due = self.model.due(self.now) <= self.now;
        if self.schedule.expire(self.model.polled, self.now) {
            self.schedule.mark(polled_dir());
        }
        let places = self.schedule.take();
        let wanted = self.model.begins(self.now);
        prop_assert_eq!(places.is_some(), is_due, "a walk begins when there is a reason");
        let Some(places) = places else { return Ok(()) };
        prop_assert_eq!(&places, &wanted, "all that is wanted, and nothing else");
        if std::mem::take(&mut self.journal_fails) {
            for place in &places {
                self.schedule.mark(place.clone());
            }
            self.schedule.hold(self.now);
            self.model.wanted = places;
            self.model.held_until = self.now + secs(2);
            return Ok(());
        }
        self.walks += 1;
        self.walk = Some(places);
        Ok(())
    }

    fn end(&mut self, took: Duration) {
        let Some(places) = self.walk.take() else { return };
        let whole = places.contains(&RelPath::root());
        self.now += took;
        self.schedule.ended(whole, took, self.now);
        self.model.ends(whole, took, self.now);
    }

    /// Nothing happens any more: for so long only what is due is done.
    fn rest(&mut self, long: Duration) -> Result<u64, TestCaseError> {
        let (end, mut woken) = (self.now + long, 0);
        while self.now < end {
            self.end(Duration::ZERO);
            let before = self.walks;
            self.sleep()?;
            self.turn()?;
            woken += 1;
            prop_assert!(self.walks > before, "woken in vain");
        }
        prop_assert!(self.model.wanted.is_empty(), "forgotten: {:?}", self.model.wanted);
        Ok(woken)
    }
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        3 => (0..6u8).prop_map(Deed::Hint),
        1 => Just(Deed::SeveralNames),
        1 => (0..6u8).prop_map(Deed::Shortage),
        1 => Just(Deed::JournalFails),
        3 => (0..20_000u64).prop_map(Deed::Wait),
        4 => Just(Deed::Sleep),
        4 => prop_oneof![0..50u64, 50..20_000u64].prop_map(Deed::Ends),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn what_is_wanted_is_scanned_when_it_is_due_and_nothing_else_is(
        deeds in prop::collection::vec(deed(), 0..80),
        (poll, rescan) in (1..60u64, 60..2000u64),
        polled in prop::sample::select(vec![Polled::Nothing, Polled::Some, Polled::Everything]),
    ) {
        let mut bench = Bench::new(secs(poll), secs(rescan), polled);
        for deed in &deeds {
            bench.act(deed)?;
        }
        bench.journal_fails = false;
        // What was wanted at the end, what was hastened, and then what comes with time.
        let polls = if polled == Polled::Nothing { 0 } else { 5_000 / poll };
        let most = 5_000 / rescan + polls + 6;
        let woken = bench.rest(secs(5_000))?;
        prop_assert!(woken <= most, "busy: {woken} times, not {most}");
    }
}
