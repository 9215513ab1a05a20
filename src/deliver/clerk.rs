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

/// Makes one call, as often as it takes.
pub(super) async fn ask<O: Outbox>(outbox: &O, endpoint: &Name, call: Call) -> Answer {
    let mut wait = AGAIN_FIRST;
    loop {
        match ask_once(outbox, endpoint, &call).await {
            Ok(answer) => return answer,
            Err(Unavailable) if wait == AGAIN_FIRST => {
                warn!(%endpoint, "the journal is not usable now; trying again");
            }
            Err(Unavailable) => {}
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(AGAIN_MAX);
    }
}

async fn ask_once<O: Outbox>(
    outbox: &O,
    endpoint: &Name,
    call: &Call,
) -> Result<Answer, Unavailable> {
    Ok(match call {
        Call::Due { held, limit } => {
            let batch = outbox.due(endpoint, held.clone(), *limit).await?;
            Answer::Due { batch }
        }
        Call::Conclude(ends) => {
            outbox.conclude(endpoint, ends.clone()).await?;
            Answer::Concluded(ends.iter().map(|(seq, end)| (*seq, again(end))).collect())
        }
        Call::Release => {
            outbox.release(endpoint).await?;
            Answer::Released
        }
        Call::Park(print) => {
            outbox.park(endpoint, *print).await?;
            Answer::Parked
        }
        Call::IsParked(print) => Answer::IsParked(outbox.is_parked(endpoint, *print).await?),
        Call::Missing(held) => Answer::Missing(outbox.missing(endpoint, held.clone()).await?),
    })
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
