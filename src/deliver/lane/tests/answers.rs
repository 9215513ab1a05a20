//! Any answers in any order, against a model of what they mean: from the status line to what is stored.

use proptest::prelude::*;

use super::super::*;
use super::due;
use super::meaning::{
    ATTEMPTS, Asks, Came, DELAYS, Event, Leaves, Meaning, Model, OurFault, Refused, RefusedForGood,
    Taken, WrongEndpoint, WrongProxy, asked, meaning, secs,
};
use crate::{
    arrival::UrlPrint,
    clock::WallMs,
    config::checked::Statuses,
    deliver::{
        excerpt::Redactor,
        open::Terms,
        reading::{self, Read},
    },
    http::{Barred, Fault, ProxyFault, Reply, TlsFault},
};

const NOW: WallMs = WallMs(784_111_777_000);
const NOW_TEXT: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
/// Five minutes later, and more.
const LATER_TEXT: &str = "Sun, 06 Nov 1994 08:55:00 GMT";

/// The lane, and the model beside it.
struct Bench {
    lane: Lane,
    model: Model,
    statuses: Statuses,
    now: Instant,
}

type Checked = Result<(), TestCaseError>;

impl Bench {
    fn new(events: i64, concurrency: usize, statuses: Statuses) -> Self {
        let now = crate::clock::mono();
        let schedule = Schedule::new(&DELAYS.map(secs), ATTEMPTS);
        let event =
            |seq: i64| (seq, Event { due: due(seq), at: now, scheduled: None, rejections: 0 });
        let model = Model {
            events: (0..events).map(event).collect(),
            open: None,
            failures: 0,
            success: now,
            paused: None,
            local_wait: 1,
            parked: false,
            running: Vec::new(),
        };
        Self { lane: Lane::new(concurrency, None, schedule, now), model, statuses, now }
    }

    /// The journal hands out what is due, and the lane starts what it may.
    fn start(&mut self) -> Checked {
        let due = self.model.events.values().filter(|event| event.at <= self.now);
        self.lane.load(due.map(|event| event.due.clone()).collect());
        loop {
            let (may, idle) = (self.model.may_start(self.now), self.model.running.is_empty());
            let waits = !self.lane.waiting().is_empty();
            let Some(due) = self.lane.start(self.now) else {
                prop_assert!(!(may && idle && waits), "nothing keeps it from starting one");
                return Ok(());
            };
            prop_assert!(may, "{} starts, and must not", due.seq);
            self.model.running.push((due.seq, self.model.open.is_some()));
        }
    }

    fn read(&self, came: &Came) -> Outcome {
        let result = match came {
            Came::Nothing(fault) => Err(*fault),
            Came::Answer { status, after, skewed } => Ok(Reply {
                status: *status,
                retry_after: after.iter().map(|s| s.to_string().into_bytes()).collect(),
                date: Some(if *skewed { LATER_TEXT } else { NOW_TEXT }.into()),
                ..Reply::default()
            }),
        };
        let terms = Terms { redactor: Redactor::default(), print: UrlPrint([1; 16]), signed: true };
        let took = Duration::ZERO;
        let with = Read { terms: &terms, statuses: &self.statuses, now: NOW, took };
        reading::outcome(&result, &with)
    }

    /// One of the requests under way ends like that.
    fn end(&mut self, nth: usize, came: &Came, dice: u64) -> Checked {
        if self.model.running.is_empty() {
            return Ok(());
        }
        let (seq, probe) = self.model.running.remove(nth % self.model.running.len());
        let ended = self.lane.ended(seq, &self.read(came), self.now, Dice(dice));
        self.lane.slot_free(seq);
        let Some(ended) = ended else { return Err(TestCaseError::fail("it was running")) };
        let meaning = meaning(came, &self.statuses);
        let floor = asked(came);
        let was_paused = self.model.paused.is_some_and(|until| self.now < until);
        let (change, kept) = self.effect(meaning, seq, probe);
        prop_assert_eq!(ended.change, change, "{:?}", meaning);
        self.check_pause(&ended, meaning, floor, was_paused)?;
        self.check_end(&ended, meaning, floor, kept)?;
        if matches!(change, Some(Change::Closed(_))) {
            self.model.events.values_mut().for_each(|event| event.at = self.now);
        }
        prop_assert_eq!(self.lane.is_failing(), self.model.open.is_some());
        prop_assert_eq!(self.lane.is_parked(), self.model.parked);
        Ok(())
    }

    /// What it does to the lane, and whether the event stays there.
    fn effect(&mut self, meaning: Meaning, seq: i64, probe: bool) -> (Option<Change>, bool) {
        let was_open = self.model.open.is_some();
        match meaning {
            Taken | Refused | RefusedForGood => {
                (self.model.alive(self.now).map(Change::Closed), false)
            }
            Leaves => {
                self.model.parked = true;
                (Some(Change::Parked), true)
            }
            OurFault => (None, true),
            _ => {
                let scheduled = self.model.events.get(&seq).and_then(|event| event.scheduled);
                let early = scheduled.is_some_and(|at| at > self.now + Duration::from_millis(100));
                let at_once = matches!(meaning, WrongEndpoint | WrongProxy) && !early;
                let opens = self.model.failed(at_once, probe, self.now);
                let kept = was_open || (opens && meaning == WrongProxy);
                (opens.then_some(Change::Opened), kept)
            }
        }
    }

    /// What a receiver asks for holds for everything that waits for it.
    fn check_pause(
        &mut self,
        ended: &Ended,
        meaning: Meaning,
        floor: Option<(Duration, Duration)>,
        was_paused: bool,
    ) -> Checked {
        let within = match (meaning, floor) {
            (Taken | Leaves, _) => None,
            (OurFault, _) => {
                let wait = secs(self.model.local_wait);
                if !was_paused {
                    self.model.local_wait = (self.model.local_wait * 2).min(60);
                }
                (!was_paused).then_some((wait, wait))
            }
            (_, Some(floor)) => Some(floor),
            (Asks, None) => Some((secs(60), secs(60))),
            _ => None,
        };
        prop_assert_eq!(ended.paused.is_some(), within.is_some(), "{:?} {:?}", meaning, ended);
        let Some((paused, (low, high))) = ended.paused.zip(within) else { return Ok(()) };
        prop_assert!((low..=high).contains(&paused), "{meaning:?}: {paused:?}");
        self.model.paused = self.model.paused.max(Some(self.now + paused));
        Ok(())
    }

    fn check_end(
        &mut self,
        ended: &Ended,
        meaning: Meaning,
        floor: Option<(Duration, Duration)>,
        kept: bool,
    ) -> Checked {
        let (seq, now) = (ended.due.seq, self.now);
        if kept {
            prop_assert!(ended.conclusion.is_none(), "{:?}: nothing is charged", meaning);
            prop_assert!(self.lane.waiting().contains(&seq), "{:?}: forgotten", meaning);
            return Ok(());
        }
        self.lane.concluded(seq);
        if meaning == Taken {
            prop_assert!(matches!(ended.conclusion, Some(Conclusion::Delivered)));
            self.model.events.remove(&seq);
            return Ok(());
        }
        let Some(charge) = self.model.charge(seq, meaning, floor, now) else {
            return Err(TestCaseError::fail("there is no such event"));
        };
        let want = charge.attempts;
        match (&ended.conclusion, charge.again) {
            (Some(Conclusion::Retry { attempts, delay, .. }), Some((low, high))) => {
                prop_assert_eq!(*attempts, want, "{:?}", meaning);
                prop_assert!((low..=high).contains(delay), "{meaning:?}: {delay:?}, not {low:?}");
                if let Some(event) = self.model.events.get_mut(&seq) {
                    event.due.attempts = want;
                    event.at = now + *delay;
                    if !charge.early {
                        event.scheduled = Some(event.at);
                    }
                }
            }
            (Some(Conclusion::Dead { attempts, .. }), None) => {
                prop_assert_eq!(*attempts, want, "{:?}", meaning);
                self.model.events.remove(&seq);
            }
            other => prop_assert!(false, "{meaning:?}: {other:?}"),
        }
        Ok(())
    }
}

fn came() -> impl Strategy<Value = Came> {
    let statuses = vec![
        200, 204, 299, 301, 307, 400, 401, 403, 404, 405, 407, 408, 410, 413, 420, 421, 422, 425,
        429, 500, 501, 502, 503, 504, 509, 511, 529, 103, 600,
    ];
    let after = prop::option::weighted(0.3, prop::sample::select(vec![0, 1, 40, 700, 90_000]));
    let answer = (prop::sample::select(statuses), after, prop::bool::weighted(0.2));
    let answer = answer.prop_map(|(status, after, skewed)| Came::Answer { status, after, skewed });
    let faults = vec![
        Fault::Dns,
        Fault::Refused,
        Fault::Unreachable,
        Fault::ConnectTimeout,
        Fault::Timeout,
        Fault::ConnectionLost,
        Fault::Protocol,
        Fault::Other,
        Fault::Tls(TlsFault::Expired),
        Fault::Blocked(Barred::Special),
        Fault::Proxy(ProxyFault::Refused(502)),
        Fault::Local("no descriptors"),
    ];
    let taken = Just(Came::Answer { status: 200, after: None, skewed: false });
    let nothing = prop::sample::select(faults).prop_map(Came::Nothing);
    prop_oneof![4 => answer, 2 => nothing, 1 => taken]
}

fn overrides() -> impl Strategy<Value = Statuses> {
    let some = || prop::collection::vec(prop::sample::select(vec![204, 301, 404, 413, 429]), 0..2);
    (some(), some(), some()).prop_map(|(success, retry, permanent)| Statuses {
        success,
        retry,
        permanent,
    })
}

/// How long until the next answer: within an attempt, a pause, a retry, an outage.
fn wait() -> impl Strategy<Value = u64> {
    prop_oneof![0..300u64, 500..3_000u64, 5_000..90_000u64, 300_000..5_000_000u64]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn what_is_stored_and_what_the_lane_does_follow_from_the_answers(
        (events, concurrency, statuses) in (1i64..6, 1usize..4, overrides()),
        steps in prop::collection::vec((wait(), any::<usize>(), came(), any::<u64>()), 1..120),
    ) {
        let mut bench = Bench::new(events, concurrency, statuses);
        for (millis, nth, came, dice) in steps {
            bench.start()?;
            bench.now += Duration::from_millis(millis);
            bench.end(nth, &came, dice)?;
            if bench.model.parked {
                bench.lane.resume(bench.now);
                bench.model.parked = false;
            }
        }
    }
}
