//! One endpoint's lane: which events it holds, which may start, what becomes of each. Pure.
//!
//! An event is *queued* (loaded, not started), *running* (its request is under way) or *concluding* (its
//! end is decided but not yet on stable storage). Until its end is stored it stays held, so that the
//! journal does not hand it out twice.
//!
//! What a failure costs:
//!
//! | failure | breaker closed | breaker open |
//! |---|---|---|
//! | of the endpoint (retry, slow, config) | an attempt, and a delay in the journal | nothing; back to the end of the queue |
//! | refusal of the event (reject) | an attempt | an attempt, and it closes the breaker: the endpoint is alive |
//! | of this machine | nothing; the lane waits | nothing; the lane waits |
//!
//! An attempt before its scheduled time is free, see `memory.rs`.
//!
//! The attempt that opens the breaker is still charged, for it was made while the breaker was closed.
//! So a single event at a dead endpoint dies after its attempts, while a backlog waits for the endpoint.

mod figures;
mod memory;
mod operator;
mod outcome;

use std::{
    collections::{HashSet, VecDeque},
    time::{Duration, Instant},
};

use self::memory::Memory;
pub use self::outcome::{Change, Ended, Outcome};
use super::{
    breaker::Breaker,
    pace::Pace,
    schedule::{Charged, Dice, Next, SLOW_DELAY_MIN, Schedule, spread},
    verdict::Class,
};
use crate::{
    arrival::{Conclusion, Due},
    config::units::Rate,
};

/// Events loaded ahead, at least: enough that the journal is asked once for many.
const WINDOW_MIN: usize = 256;
/// Ends that wait for stable storage. A slow disk slows the lane down here, in bounded memory.
pub const CONCLUDING_MAX: usize = 512;

/// Longer delays are remembered as this one: a point in time has a limit, too.
const DELAY_MAX: Duration = Duration::from_hours(24 * 365);

#[derive(Debug)]
struct Running {
    seq: i64,
    /// `None` once the verdict is in and only the rest of the body is awaited.
    due: Option<Due>,
    probe: bool,
}

/// What the verdict on one attempt depends on beside its outcome.
#[derive(Clone, Copy)]
struct When {
    now: Instant,
    dice: Dice,
    floor: Option<Duration>,
}

/// The state of one lane. Every method that depends on time is told the time.
#[derive(Debug)]
pub struct Lane {
    concurrency: usize,
    schedule: Schedule,
    queue: VecDeque<Due>,
    running: Vec<Running>,
    concluding: HashSet<i64>,
    breaker: Breaker,
    pace: Pace,
    memory: Memory,
    parked: bool,
}

impl Lane {
    /// Holds nothing, breaker closed.
    pub fn new(concurrency: usize, rate: Option<Rate>, schedule: Schedule, now: Instant) -> Self {
        Self {
            concurrency: concurrency.max(1),
            schedule,
            queue: VecDeque::new(),
            running: Vec::new(),
            concluding: HashSet::new(),
            breaker: Breaker::new(now),
            pace: Pace::new(rate, now),
            memory: Memory::default(),
            parked: false,
        }
    }

    /// How many more events to load; 0 while the queue is more than half full.
    pub fn room(&self) -> usize {
        let window = WINDOW_MIN.max(2 * self.concurrency);
        if self.parked || self.queue.len() > window / 2 { 0 } else { window - self.queue.len() }
    }

    /// Takes events that the journal says are due; how many of them were new.
    pub fn load(&mut self, events: Vec<Due>) -> usize {
        // The journal hands out one event of a path at a time; a second one here would break the order.
        let running = self.running.iter().filter_map(|r| r.due.as_ref());
        let held = self.queue.iter().chain(running);
        let mut paths: HashSet<_> = held.map(|due| (due.path.clone(), due.watch.clone())).collect();
        let before = self.queue.len();
        for due in events {
            let is_held = self.concluding.contains(&due.seq);
            if !is_held && paths.insert((due.path.clone(), due.watch.clone())) {
                self.queue.push_back(due);
            }
        }
        self.queue.len() - before
    }

    /// Whether [`Lane::start`] would start one.
    pub fn is_ready(&self, now: Instant) -> bool {
        !self.parked
            && !self.queue.is_empty()
            && self.running.len() < self.pace.limit(now, self.concurrency)
            && self.running.len() + self.concluding.len() < CONCLUDING_MAX.max(self.concurrency)
            && self.breaker.admits(now)
    }

    /// The next event to send at `now`, if one may be sent.
    pub fn start(&mut self, now: Instant) -> Option<Due> {
        if !self.is_ready(now) {
            return None;
        }
        let due = self.queue.pop_front()?;
        let probe = self.breaker.started();
        self.pace.started(now);
        self.running.push(Running { seq: due.seq, due: Some(due.clone()), probe });
        Some(due)
    }

    /// When [`Lane::start`] may have another answer than now, if only time has to pass.
    pub fn wake_at(&self, now: Instant) -> Option<Instant> {
        if self.parked || self.queue.is_empty() {
            return None;
        }
        if self.breaker.is_open() {
            let at = self.breaker.next_probe()?.max(self.pace.earliest(now));
            return (at > now).then_some(at);
        }
        self.pace.next_change(now, self.concurrency)
    }

    /// The verdict on a running event is in. `None` when it is not running, which is a bug elsewhere.
    /// Its slot stays taken until [`Lane::slot_free`].
    pub fn ended(
        &mut self,
        seq: i64,
        outcome: &Outcome,
        now: Instant,
        dice: Dice,
    ) -> Option<Ended> {
        let running = self.running.iter_mut().find(|r| r.seq == seq)?;
        let (due, probe) = (running.due.take()?, running.probe);
        let floor = outcome.retry_after.map(|asked| spread(asked, dice));
        let when = When { now, dice, floor };
        let mut ended = Ended { due: due.clone(), conclusion: None, change: None, paused: None };
        match outcome.class {
            Class::Ok => {
                ended.conclusion = Some(Conclusion::Delivered);
                ended.change = self.alive(now);
                self.memory.forget(seq);
            }
            Class::Reject | Class::Permanent => {
                ended.change = self.alive(now);
                ended.conclusion = Some(self.charge(&due, outcome, when));
            }
            Class::Gone => {
                self.parked = true;
                self.void_probe(probe);
                ended.change = Some(Change::Parked);
            }
            Class::Local => {
                ended.paused = self.local_fault(now, probe);
            }
            Class::Retry | Class::Slow | Class::Config | Class::Proxy | Class::Clock => {
                self.endpoint_failed(&mut ended, outcome, probe, when);
            }
        }
        self.keep_or_conclude(due, &ended, outcome.class);
        self.apply_pause(&mut ended, outcome.class, floor, now);
        Some(ended)
    }

    fn alive(&mut self, now: Instant) -> Option<Change> {
        self.pace.sent(false, now, self.concurrency);
        let closed = self.breaker.alive(now)?;
        // A probe of this outage that is still under way must not pass for one of the next.
        self.running.iter_mut().for_each(|running| running.probe = false);
        self.pace.restart(now);
        Some(Change::Closed(closed))
    }

    fn void_probe(&mut self, probe: bool) {
        if probe {
            self.breaker.probe_void();
        }
    }

    fn local_fault(&mut self, now: Instant, probe: bool) -> Option<Duration> {
        self.void_probe(probe);
        let first = self.pace.paused(now).is_none();
        let wait = self.pace.local_fault(now);
        first.then_some(wait)
    }

    fn endpoint_failed(&mut self, ended: &mut Ended, outcome: &Outcome, probe: bool, when: When) {
        let was_open = self.breaker.is_open();
        let overtaxed = !was_open && matches!(outcome.class, Class::Retry | Class::Slow);
        self.pace.sent(overtaxed, when.now, self.concurrency);
        // An early attempt that fails where others have just passed says little about the endpoint.
        let early = self.memory.early(ended.due.seq, when.now).is_some();
        let at_once = matches!(outcome.class, Class::Config | Class::Proxy) && !early;
        let opened = self.breaker.failed(when.now, at_once, probe);
        ended.change = opened.then_some(Change::Opened);
        let kept = was_open || (opened && outcome.class == Class::Proxy);
        ended.conclusion = (!kept).then(|| self.charge(&ended.due, outcome, when));
    }

    /// What a failure while the breaker is closed does to the event.
    fn charge(&mut self, due: &Due, outcome: &Outcome, when: When) -> Conclusion {
        let refusal = outcome.refusal.clone();
        let early = self.memory.early(due.seq, when.now);
        if let Some(left) = early.filter(|_| outcome.class != Class::Permanent) {
            let delay = left.max(when.floor.unwrap_or_default());
            return Conclusion::Retry { attempts: due.attempts, delay, refusal };
        }
        let charged = outcome.class.is_charged();
        let attempts = due.attempts.saturating_add(u32::from(charged));
        let rejected = u32::from(outcome.class == Class::Reject);
        let rejections = self.memory.rejections(due.seq, due.rejections).saturating_add(rejected);
        let next = if charged {
            let class = outcome.class;
            self.schedule
                .next(Charged { class, attempts, rejections, floor: when.floor }, when.dice)
        } else {
            Next::Again(self.schedule.uncharged(attempts, outcome.class, when.floor, when.dice))
        };
        match next {
            Next::Again(delay) => {
                let due_at = when.now + delay.min(DELAY_MAX);
                self.memory.waits(due.seq, rejections, due_at, when.now);
                Conclusion::Retry { attempts, delay, refusal }
            }
            Next::Dead => {
                self.memory.forget(due.seq);
                Conclusion::Dead { attempts, refusal }
            }
        }
    }

    fn keep_or_conclude(&mut self, due: Due, ended: &Ended, class: Class) {
        if ended.conclusion.is_some() {
            self.concluding.insert(due.seq);
        } else if matches!(class, Class::Local | Class::Gone) {
            // Nobody was asked about it: it keeps its turn.
            self.queue.push_front(due);
        } else {
            // Another path's event is the next probe, for this one may be the poison.
            self.queue.push_back(due);
        }
    }

    /// A receiver that says when, or that asks for fewer requests, means all of them.
    fn apply_pause(
        &mut self,
        ended: &mut Ended,
        class: Class,
        floor: Option<Duration>,
        now: Instant,
    ) {
        let pause = match (floor, class) {
            (_, Class::Ok | Class::Gone) => None,
            (Some(floor), _) => Some(floor),
            (None, Class::Slow) => Some(SLOW_DELAY_MIN),
            (None, _) => None,
        };
        if let Some(pause) = pause {
            self.pace.pause(now + pause);
            ended.paused = Some(pause);
        }
    }

    /// A request was repeated at once: the receiver has seen two.
    pub fn resent(&mut self, now: Instant) {
        self.pace.started(now);
    }

    /// The request is over, its body included.
    pub fn slot_free(&mut self, seq: i64) {
        self.running.retain(|r| r.seq != seq || r.due.is_some());
    }

    /// The end of an event is on stable storage.
    pub fn concluded(&mut self, seq: i64) {
        self.concluding.remove(&seq);
    }

    /// The journal knows that the endpoint is parked.
    pub fn park(&mut self) {
        self.parked = true;
    }
}

#[cfg(test)]
mod tests;
