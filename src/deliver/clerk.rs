//! Every exchange with the journal. A call ends when the journal has done it: while the journal is not
//! usable it is repeated, and nothing that the lane decided is forgotten.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
    time::Duration,
};

use tracing::warn;

use crate::arrival::{Conclusion, DueBatch, Name, Outbox, Unavailable, UrlPrint};

/// What a lane wants of the journal.
#[derive(Debug)]
pub(super) enum Call {
    /// Events that are due.
    Due { held: Vec<i64>, limit: usize },
    /// Store how attempts ended.
    Conclude(Vec<(i64, Conclusion)>),
    /// Make all that waits due.
    Release,
    /// Remember that the endpoint is gone.
    Park(UrlPrint),
    /// Ask whether it is.
    IsParked(UrlPrint),
    /// Ask which of these an operator has discarded.
    Missing(Vec<i64>),
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Answer {
    /// To [`Call::Due`].
    Due { batch: DueBatch },
    /// Stored; each with the time after which it is due again, if it neither was delivered nor is dead.
    Concluded(Vec<(i64, Option<Duration>)>),
    /// To [`Call::Release`].
    Released,
    /// To [`Call::Park`].
    Parked,
    /// To [`Call::IsParked`].
    IsParked(bool),
    /// To [`Call::Missing`].
    Missing(Vec<i64>),
}

const AGAIN_FIRST: Duration = Duration::from_millis(100);
const AGAIN_MAX: Duration = Duration::from_secs(5);

/// How long a call waits that the journal could not do.
struct Patience {
    wait: Duration,
}

impl Patience {
    fn new() -> Self {
        Self { wait: AGAIN_FIRST }
    }

    async fn wait(&mut self, endpoint: &Name) {
        if self.wait == AGAIN_FIRST {
            warn!(%endpoint, "the journal is not usable now; trying again");
        }
        tokio::time::sleep(self.wait).await;
        self.wait = (self.wait * 2).min(AGAIN_MAX);
    }
}

/// Makes one call, as often as it takes.
pub(super) async fn ask<O: Outbox>(outbox: &O, endpoint: &Name, call: Call) -> Answer {
    let mut patience = Patience::new();
    loop {
        let answer = match &call {
            Call::Conclude(ends) => return conclude(outbox, endpoint, ends, patience).await,
            Call::Due { held, limit } => {
                let batch = outbox.due(endpoint, held.clone(), *limit).await;
                batch.map(|batch| Answer::Due { batch })
            }
            Call::Release => outbox.release(endpoint).await.map(|()| Answer::Released),
            Call::Park(print) => outbox.park(endpoint, *print).await.map(|()| Answer::Parked),
            Call::IsParked(print) => outbox.is_parked(endpoint, *print).await.map(Answer::IsParked),
            Call::Missing(held) => {
                outbox.missing(endpoint, held.clone()).await.map(Answer::Missing)
            }
        };
        match answer {
            Ok(answer) => return answer,
            Err(Unavailable) => patience.wait(endpoint).await,
        }
    }
}

/// Stores all of them, half as many at once each time that fails: together they take room in the journal's log,
/// and it is this that makes room on a disk that is full.
async fn conclude<O: Outbox>(
    outbox: &O,
    endpoint: &Name,
    ends: &[(i64, Conclusion)],
    mut patience: Patience,
) -> Answer {
    let (mut stored, mut at_once, mut grows) = (0, ends.len(), true);
    while stored < ends.len() {
        let part: Vec<_> = ends.iter().skip(stored).take(at_once).cloned().collect();
        let many = part.len();
        if outbox.conclude(endpoint, part).await.is_ok() {
            stored += many;
            at_once = if grows { at_once.saturating_mul(2) } else { at_once };
            continue;
        }
        grows = stored == 0; // else it is their number, for fewer have just been stored
        at_once = (many / 2).max(1);
        patience.wait(endpoint).await;
    }
    Answer::Concluded(ends.iter().map(|(seq, end)| (*seq, again(end))).collect())
}

fn again(conclusion: &Conclusion) -> Option<Duration> {
    match conclusion {
        Conclusion::Retry { delay, .. } => Some(*delay),
        Conclusion::Delivered | Conclusion::Dead { .. } => None,
    }
}

/// Futures that make progress together, on the task that awaits [`Crowd::next`].
///
/// The journal's futures borrow it and need not be `Send`, so they cannot be tasks. There are few of
/// them (the lane bounds what is not yet stored), so each is simply polled.
pub(super) struct Crowd<F>(Vec<Pin<Box<F>>>);

impl<F: Future> Crowd<F> {
    pub(super) fn new() -> Self {
        Self(Vec::new())
    }

    pub(super) fn push(&mut self, future: F) {
        self.0.push(Box::pin(future));
    }

    /// Waits for one of them; for ever when there is none.
    pub(super) async fn next(&mut self) -> F::Output {
        poll_fn(|context| {
            for index in 0..self.0.len() {
                let Some(future) = self.0.get_mut(index) else { break };
                if let Poll::Ready(output) = future.as_mut().poll(context) {
                    drop(self.0.swap_remove(index));
                    return Poll::Ready(output);
                }
            }
            Poll::Pending
        })
        .await
    }
}
