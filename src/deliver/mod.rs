//! Stage 4: due events become webhooks, one independent lane for each endpoint.
//!
//! [`run_lane`] waits; [`lane`] and the other pure files decide; [`crate::http`] acts. The journal is the
//! queue: a lane holds a small window of it and forgets nothing that it has not stored.

pub(crate) mod attempt;
pub mod breaker;
pub mod bucket;
mod clerk;
pub mod cloud_events;
mod discards;
mod doubt;
pub mod excerpt;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
pub mod lane;
pub(crate) mod open;
pub mod pace;
mod parking;
pub mod ramp;
mod reading;
mod renewal;
pub(crate) mod reopen;
mod report;
pub mod request;
pub mod retry_after;
pub mod schedule;
pub mod signature;
mod spelling;
mod story;
pub mod trace;
mod trial;
pub mod verdict;
mod worker;

use std::{pin::pin, sync::Arc, time::Duration};

use tokio::{sync::watch, task::JoinError, time::sleep_until};

use self::{
    attempt::{Courier, Task},
    clerk::{Answer, Crowd, ask},
    open::{Opened, open},
    reopen::Reopening,
    worker::Worker,
};
pub use self::{
    open::{OpenError, print_of},
    trial::{Trial, trial},
};
use crate::{
    arrival::{Outbox, Wake},
    clock,
    config::checked::Endpoint,
    notice::Notices,
    stall,
    stop::Stop,
    vitals::{LaneState, LaneVitals, Pause},
};

/// What a lane did between start and end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneSummary {
    /// Events accepted by the receiver.
    pub delivered: u64,
    /// Requests that were under way when the lane had to end; none of them was charged.
    pub cut: usize,
}

/// Files that were missing are looked for again this often.
const OPEN_AGAIN: Duration = Duration::from_secs(10);

/// What a lane is told while it runs.
#[derive(Clone, Debug)]
pub struct Orders {
    /// When to end.
    pub stop: watch::Receiver<Stop>,
    /// Each change of it means: read the URL, secret and CA files again, and try everything that waits.
    pub reopen: watch::Receiver<u64>,
    /// By a new configuration: what waits by the old one is tried at once.
    pub renewed: bool,
}

/// Delivers `endpoint`'s events until told to stop. Never fails: what is missing is waited for.
pub async fn run_lane<O: Outbox>(
    endpoint: Endpoint,
    outbox: O,
    vitals: Arc<LaneVitals>,
    notices: Notices,
    mut orders: Orders,
) -> LaneSummary {
    let endpoint = Arc::new(endpoint);
    let summary = match open_lane(&endpoint, (&vitals, &notices), &mut orders, open).await {
        Some(opened) => {
            let reopening = Reopening::new(&endpoint, Arc::new(open));
            let told = (&vitals, notices);
            deliver(&endpoint, (opened, reopening), &outbox, told, &mut orders).await
        }
        None => LaneSummary::default(),
    };
    vitals.beat.wait();
    vitals.set_state(LaneState::Stopped);
    summary
}

/// Opens the lane, however long it takes; `None` when told to stop.
async fn open_lane<C: Send + 'static>(
    endpoint: &Arc<Endpoint>,
    (vitals, notices): (&LaneVitals, &Notices),
    orders: &mut Orders,
    open: fn(&Endpoint) -> Result<Opened<C>, OpenError>,
) -> Option<Opened<C>> {
    let mut said = None;
    while *orders.stop.borrow_and_update() == Stop::Run {
        orders.reopen.mark_unchanged();
        let task = Arc::clone(endpoint);
        let why = match flat(tokio::task::spawn_blocking(move || open(&task)).await) {
            Ok(opened) => {
                if said.is_some() {
                    story::ready(notices, &endpoint.name);
                }
                return Some(opened);
            }
            Err(why) => why.to_string(),
        };
        vitals.set_state(LaneState::Degraded);
        vitals.set_pause(Some(Pause { until: None, reason: why.clone() }));
        if said.as_ref() != Some(&why) {
            story::not_ready(notices, &endpoint.name, &why);
            said = Some(why);
        }
        tokio::select! {
            told = changed(&mut orders.stop) => if told == Stop::Now { break },
            () = asked(&mut orders.reopen) => {}
            () = tokio::time::sleep(OPEN_AGAIN) => {}
        }
    }
    None
}

/// A panic in a task is a bug of this program: it goes on where it would have gone without the task.
fn flat<T>(joined: Result<T, JoinError>) -> T {
    match joined {
        Ok(value) => value,
        // Nothing aborts these tasks, so it was a panic.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Waits for a word to stop. A daemon that has gone away without a word wants the same.
async fn changed(stop: &mut watch::Receiver<Stop>) -> Stop {
    match stop.changed().await {
        Ok(()) => *stop.borrow_and_update(),
        Err(_) => Stop::Now,
    }
}

/// Waits until the files are to be read again; for ever when nobody can ask for it any more.
async fn asked(reopen: &mut watch::Receiver<u64>) {
    if reopen.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// What a lane waits for.
enum Happened<C> {
    Woken(Wake),
    Answered(Answer),
    Ended(Task),
    Told(Stop),
    Reopen,
    Reopened(Result<Opened<C>, OpenError>),
    Time,
}

/// The loop: apply what happened, start what may start, wait.
pub(crate) async fn deliver<C: Courier, O: Outbox>(
    endpoint: &Endpoint,
    (opened, mut reopening): (Opened<C>, Reopening<C>),
    outbox: &O,
    (vitals, notices): (&Arc<LaneVitals>, Notices),
    orders: &mut Orders,
) -> LaneSummary {
    let name = &endpoint.name;
    let mut worker = Worker::new(endpoint, opened, Arc::clone(vitals), notices);
    if orders.renewed {
        worker.renew(clock::mono());
    }
    let mut calls = Crowd::new();
    calls.push(ask(outbox, name, worker.first_call()));
    worker.stop(*orders.stop.borrow_and_update());
    // Kept across turns and asked for again before the journal is: nothing is announced unheard.
    let mut woken = pin!(outbox.woken());
    loop {
        for call in worker.turn(clock::mono()) {
            calls.push(ask(outbox, name, call));
        }
        if worker.wants_files(clock::mono()) {
            reopening.ask();
        }
        if worker.is_done() {
            return worker.summary();
        }
        let wake_at = worker.wake_at(clock::mono());
        vitals.beat.wait_until(wake_at);
        let happened = tokio::select! {
            biased;
            wake = &mut woken => Happened::Woken(wake),
            told = changed(&mut orders.stop) => Happened::Told(told),
            () = asked(&mut orders.reopen) => Happened::Reopen,
            read = reopening.done() => Happened::Reopened(read),
            answer = calls.next() => Happened::Answered(answer),
            Some(task) = worker.tasks.join_next() => Happened::Ended(flat(task)),
            () = sleep_until(wake_at.into()) => Happened::Time,
        };
        let now = clock::mono();
        vitals.beat.begin(now);
        stall::task("lane").await;
        match happened {
            Happened::Woken(wake) => {
                woken.set(outbox.woken());
                worker.woken(wake);
            }
            Happened::Answered(answer) => worker.answered(answer, now),
            Happened::Ended(task) => {
                if let Some(call) = worker.task_ended(task, now) {
                    calls.push(ask(outbox, name, call));
                }
            }
            Happened::Told(told) => worker.stop(told),
            Happened::Reopen => {
                worker.asked_to_read();
                reopening.ask();
            }
            Happened::Reopened(read) => worker.reopened(read, now),
            Happened::Time => {}
        }
    }
}

#[cfg(test)]
mod tests;
