//! Between the waiting of the stage's `mod.rs` and the deciding of [`Lane`]: starts attempts, reads answers, and
//! collects what is to be asked of the journal.

mod files;

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use tokio::task::JoinSet;

use super::{
    LaneSummary,
    attempt::{Attempted, Courier, Task, attempt},
    clerk::{Answer, Call},
    discards::Discards,
    doubt::{Doubt, Kept},
    lane::{Change, Lane, Outcome},
    open::{OpenError, Opened, Terms},
    parking::Parking,
    reading::{self, Read},
    renewal::Renewal,
    schedule::{Dice, Schedule},
    story,
    verdict::Class,
};
use crate::{
    arrival::{Conclusion, Due, Name, Wake},
    chance,
    clock::{self, WallMs},
    config::checked::{Endpoint, Statuses},
    http::Reply,
    notice::Notices,
    stop::Stop,
    vitals::{LaneState, LaneVitals},
};

/// The journal is asked at least this often, whatever it announces; less often once it had nothing. While
/// something waits this is also the beat by which `doubt` looks at files.
const ASK_EVERY: Duration = Duration::from_mins(1);
const ASK_IDLE: Duration = Duration::from_mins(10);
/// Delivered events wait so long, or until there are so many, to be stored together.
const GATHER: Duration = Duration::from_millis(200);
const GATHER_MAX: usize = 256;

pub(super) struct Worker<C> {
    endpoint: Name,
    statuses: Statuses,
    opened: Opened<C>,
    pub(super) vitals: Arc<LaneVitals>,
    notices: Notices,
    pub(super) lane: Lane,
    pub(super) tasks: JoinSet<Task>,
    pub(super) stop: Stop,
    parking: Parking,
    doubt: Doubt,
    renewal: Renewal,
    /// The journal may have events that the lane has not seen.
    stale: bool,
    asking: bool,
    discards: Discards,
    ask_at: Instant,
    /// Ends that are still to be stored, all of them together.
    ends: Vec<(i64, Conclusion)>,
    store_at: Option<Instant>,
    storing: bool,
    /// As the journal said last, without what the lane holds.
    pub(super) waiting_beyond: u64,
    pub(super) delivered: u64,
    /// Why nothing is sent, as published last.
    pub(super) shown: (LaneState, Option<Instant>),
}

impl<C: Courier> Worker<C> {
    pub(super) fn new(
        endpoint: &Endpoint,
        opened: Opened<C>,
        vitals: Arc<LaneVitals>,
        notices: Notices,
    ) -> Self {
        let schedule = Schedule::new(&endpoint.retry_delays, endpoint.attempts);
        let now = clock::mono();
        Self {
            endpoint: endpoint.name.clone(),
            statuses: endpoint.statuses.clone(),
            vitals,
            notices,
            lane: Lane::new(endpoint.concurrency, endpoint.rate_limit, schedule, now),
            tasks: JoinSet::new(),
            stop: Stop::Run,
            parking: Parking::Asked(opened.terms.print),
            doubt: Doubt::none(Kept::of(endpoint), now),
            renewal: Renewal::default(),
            opened,
            stale: true,
            asking: false,
            discards: Discards::default(),
            ask_at: now + ASK_EVERY,
            ends: Vec::new(),
            store_at: None,
            storing: false,
            waiting_beyond: 0,
            delivered: 0,
            shown: (LaneState::Starting, None),
        }
    }

    /// The first call: is the endpoint parked?
    pub(super) fn first_call(&mut self) -> Call {
        let print = self.opened.terms.print;
        self.parking = Parking::Asked(print);
        Call::IsParked(print)
    }

    /// Starts what may start and says what to ask of the journal.
    pub(super) fn turn(&mut self, now: Instant) -> impl Iterator<Item = Call> + use<C> {
        let is_clear = !self.discards.are_unclear() && !self.doubt.holds(now);
        if self.stop == Stop::Run && self.parking == Parking::Open && is_clear {
            while let Some(due) = self.lane.start(now) {
                self.send(&due);
            }
        }
        self.publish(now);
        let calls = [self.store(now), self.release(), self.discards.ask(&self.lane), self.ask(now)];
        calls.into_iter().flatten()
    }

    /// One call at a time, for all that has ended meanwhile: each costs the journal a sync.
    fn store(&mut self, now: Instant) -> Option<Call> {
        let is_time = self.store_at.is_some_and(|at| now >= at);
        let is_much = self.ends.len() >= GATHER_MAX || self.stop != Stop::Run;
        if self.storing || self.ends.is_empty() || !(is_time || is_much) {
            return None;
        }
        self.storing = true;
        self.store_at = None;
        Some(Call::Conclude(std::mem::take(&mut self.ends)))
    }

    /// What was delivered can wait a moment for company: if the process dies before it is stored, it is
    /// delivered again under the same id. What changes an event's fate cannot.
    fn keep(&mut self, seq: i64, end: Conclusion, now: Instant) {
        let delay = if matches!(end, Conclusion::Delivered) { GATHER } else { Duration::ZERO };
        let at = now + delay;
        self.store_at = Some(self.store_at.map_or(at, |earlier| earlier.min(at)));
        self.ends.push((seq, end));
    }

    fn ask(&mut self, now: Instant) -> Option<Call> {
        if now >= self.ask_at {
            self.stale = true;
            self.ask_at = now + ASK_EVERY;
        }
        if self.stop != Stop::Run || self.asking || !self.stale {
            return None;
        }
        match self.parking {
            Parking::Parked => {
                self.stale = false;
                Some(self.first_call())
            }
            Parking::Open if self.lane.room() > 0 => {
                self.stale = false;
                self.asking = true;
                Some(Call::Due { held: self.lane.held(), limit: self.lane.room() })
            }
            Parking::Open | Parking::Asked(_) | Parking::Telling => None,
        }
    }

    fn send(&mut self, due: &Due) {
        let attempt_no = due.attempts.saturating_add(1);
        let Opened { form, courier, terms, .. } = &self.opened;
        let request = form.request(due.event, attempt_no, clock::wall(), &due.body);
        let attempt = attempt(courier.clone(), due.seq, Arc::clone(terms), request);
        self.tasks.spawn(async { Task::Attempted(attempt.await) });
    }

    /// Until when there is nothing to do but wait.
    pub(super) fn wake_at(&self, now: Instant) -> Instant {
        let store = if self.storing { None } else { self.store_at };
        [self.lane.wake_at(now), store].into_iter().flatten().fold(self.ask_at, Instant::min)
    }

    /// The journal may have something new.
    pub(super) fn woken(&mut self, wake: Wake) {
        self.stale = true;
        self.discards.woken(wake);
    }

    pub(super) fn stop(&mut self, stop: Stop) {
        self.stop = self.stop.max(stop);
    }

    /// Whether the lane may end: it was told to, and nothing that matters is under way.
    pub(super) fn is_done(&self) -> bool {
        let stored = self.lane.concluding() == 0 && self.parking != Parking::Telling;
        let idle = self.lane.in_flight() == 0 && stored;
        self.stop == Stop::Now || (self.stop == Stop::Drain && idle)
    }

    /// What was done, if the lane ends now.
    pub(super) fn summary(&self) -> LaneSummary {
        LaneSummary { delivered: self.delivered, cut: self.lane.in_flight() }
    }

    pub(super) fn task_ended(&mut self, task: Task, now: Instant) -> Option<Call> {
        match task {
            Task::Attempted(attempted) => self.attempted(attempted, now),
            Task::Drained(seq) => {
                self.lane.slot_free(seq);
                None
            }
        }
    }

    fn attempted(&mut self, attempted: Attempted, now: Instant) -> Option<Call> {
        let Attempted { seq, terms, mut result, duration, resent } = attempted;
        if resent {
            self.lane.resent(now);
        }
        let rest = result.as_mut().ok().and_then(|reply| reply.rest.take());
        self.doubt.note(&result);
        let outcome = self.read(&result, &terms, duration);
        if outcome.class == Class::Gone && terms.print != self.opened.terms.print {
            self.gone_elsewhere(seq);
            return None;
        }
        // Success leaves nothing to chance, and asks the kernel for none.
        let dice = if outcome.class == Class::Ok { MIDDLE } else { Dice(chance::bits()) };
        let ended = self.lane.ended(seq, &outcome, now, dice)?;
        match rest {
            Some(rest) => drop(self.tasks.spawn(async move {
                rest.await;
                Task::Drained(seq)
            })),
            None => self.lane.slot_free(seq),
        }
        self.note(&ended, &outcome.refusal, duration);
        story::tell(&self.endpoint, &ended, &outcome.refusal, duration);
        story::notify(&self.notices, &self.endpoint, &ended, &outcome.refusal);
        let change = ended.change.and_then(|change| self.changed(change));
        // A release goes to the journal before this: it must not undo the delay of this event.
        if let Some(conclusion) = ended.conclusion {
            self.keep(seq, conclusion, now);
        }
        change
    }

    fn read(
        &self,
        result: &Result<Reply, crate::http::Fault>,
        terms: &Terms,
        took: Duration,
    ) -> Outcome {
        let now = clock::wall();
        if let Ok(reply) = result {
            self.note_clock(reply, now);
        }
        reading::outcome(result, &Read { terms, statuses: &self.statuses, now, took })
    }

    fn note_clock(&self, reply: &Reply, now: WallMs) {
        if let Some(offset) = reading::clock_offset_s(reply, now) {
            self.vitals.clock_offset_s.store(offset, Relaxed);
        }
    }

    fn changed(&mut self, change: Change) -> Option<Call> {
        match change {
            Change::Closed(_) => Some(Call::Release),
            Change::Parked if self.parking == Parking::Open => {
                self.parking = Parking::Telling;
                Some(Call::Park(self.opened.terms.print))
            }
            Change::Parked | Change::Opened => None,
        }
    }

    pub(super) fn answered(&mut self, answer: Answer, now: Instant) {
        match answer {
            Answer::Due { batch } => {
                self.asking = false;
                self.waiting_beyond = batch.waiting;
                let had_nothing = batch.events.is_empty() && batch.waiting == 0;
                self.ask_at = if had_nothing && self.lane.held().is_empty() {
                    now + ASK_IDLE
                } else {
                    self.ask_at.min(now + ASK_EVERY)
                };
                if let Some(next_in) = batch.next_in {
                    self.ask_at = self.ask_at.min(now + next_in.min(ASK_EVERY));
                }
                let more = batch.more;
                let new = self.lane.load(batch.events);
                if batch.replayed {
                    self.lane.ease(now);
                }
                self.stale |= more && new > 0;
            }
            Answer::Concluded(ends) => {
                self.storing = false;
                for (seq, again) in ends {
                    self.concluded(seq, again, now);
                }
            }
            Answer::Released => self.stale = true,
            Answer::Parked => self.parking = Parking::Parked,
            // About the URL before this one: the next turn asks again.
            Answer::IsParked(_) if self.parking != Parking::Asked(self.opened.terms.print) => {
                self.parking = Parking::Parked;
                self.stale = true;
            }
            Answer::IsParked(parked) => self.parked(parked, now),
            Answer::Missing(gone) => self.discards.answered(&mut self.lane, &gone),
        }
    }

    fn concluded(&mut self, seq: i64, again: Option<Duration>, now: Instant) {
        self.lane.concluded(seq);
        if let Some(delay) = again {
            self.ask_at = self.ask_at.min(now + delay.min(ASK_EVERY));
            self.waiting_beyond = self.waiting_beyond.saturating_add(1);
        }
    }

    fn parked(&mut self, parked: bool, now: Instant) {
        if parked {
            self.lane.park();
            self.parking = Parking::Parked;
            return;
        }
        if self.lane.is_parked() {
            story::resumed(&self.notices, &self.endpoint);
            self.lane.resume(now);
        }
        self.parking = Parking::Open;
        self.stale = true;
    }
}

/// Neither early nor late.
const MIDDLE: Dice = Dice(0x8000_0000_8000_0000);
