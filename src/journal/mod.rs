//! Stage 3: settled files become durable events. The only truth: what is not in here was not announced.
//!
//! One writer thread owns the database; everybody else holds a [`Journal`] and asks. This file is the
//! asking: it waits for answers. `writer` is the thread, `open` answers, `arrivals` and `outbox` speak SQL, `entry` and
//! `retention` decide.

mod arrivals;
mod attempts;
mod census;
mod configured;
pub(crate) mod copy;
mod desk;
mod entry;
mod forgetting;
mod identity;
mod lane_view;
pub mod look;
mod notices;
mod open;
mod outbox;
mod ping;
mod question;
mod reads;
mod remedy;
mod retention;
mod schema;
pub mod snapshot;
pub(crate) mod source;
mod statements;
mod store;
mod tables;
pub(crate) mod watch_view;
mod writer;

#[cfg(test)]
mod tests;

use std::{io, sync::Arc, thread::JoinHandle};

use tokio::sync::{mpsc, oneshot, watch};

use self::configured::Configured;
pub use self::{
    desk::{Desk, Treated},
    identity::{Lock, NotLocked, lock},
    lane_view::LaneView,
    ping::ping,
    remedy::{Remedied, Remedy},
};
pub(crate) use self::{question::Question, watch_view::WatchView, writer::Writer};
use crate::{arrival::Unavailable, config::checked::Config, notice::Told, vitals::JournalVitals};

/// Questions that wait for the writer. Each asker has one under way, or waits to ask.
const QUESTIONS_MAX: usize = 256;

/// A handle to the writer thread.
#[derive(Clone)]
pub struct Journal {
    questions: mpsc::Sender<Question>,
    woken: watch::Receiver<Wakes>,
    losses: watch::Receiver<u64>,
}

/// Counts what lanes are woken for. Only a change means anything.
#[derive(Clone, Copy, Debug, Default)]
struct Wakes {
    turns: u64,
    discards: u64,
}

impl Wakes {
    fn note(&mut self, discards: u64) {
        self.turns += 1;
        self.discards = discards;
    }
}

/// How the last run ended, as the journal knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beginning {
    /// It did not close the journal: it was killed, or the power went.
    pub after_crash: bool,
}

/// What the journal has to say when it has been closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Closing {
    /// Events that wait for at least one endpoint, all on stable storage.
    pub waiting: u64,
    /// Dead letters.
    pub dead: u64,
}

impl Journal {
    /// Starts the writer. The database is opened on its thread: a directory that cannot be used now is
    /// tried again, and until then every answer is [`Unavailable`]. `lock` is held until the thread ends;
    /// without one, it is taken as soon as the directory allows.
    pub fn start(
        config: &Config,
        lock: Option<Lock>,
        vitals: Arc<JournalVitals>,
    ) -> io::Result<(Self, JoinHandle<Closing>)> {
        let (journal, writer, questions) = Self::parts(config, lock, vitals);
        let thread = std::thread::Builder::new().name("journal".into());
        Ok((journal, thread.spawn(move || writer.run(questions))?))
    }

    /// The handle, the writer, and the questions on their way from one to the other.
    pub(crate) fn parts(
        config: &Config,
        lock: Option<Lock>,
        vitals: Arc<JournalVitals>,
    ) -> (Self, Writer, mpsc::Receiver<Question>) {
        let (questions, asked) = mpsc::channel(QUESTIONS_MAX);
        let (wake, woken) = watch::channel(Wakes::default());
        let (lose, losses) = watch::channel(0);
        let writer = Writer::new(config, lock, writer::Ports { wake, lose, vitals });
        (Self { questions, woken, losses }, writer, asked)
    }

    /// Waits until a damaged database has been replaced: everything must be scanned again.
    pub async fn lost(&mut self) {
        if self.losses.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Goes over to another set of watches, endpoints and limits; returns once that is on stable storage.
    /// Whatever is asked afterwards is answered by the new set. While the database cannot be used it is
    /// [`Unavailable`], and the new set holds as soon as it can.
    pub async fn configure(&self, config: &Config) -> Result<(), Unavailable> {
        let configured = Box::new(Configured::of(config));
        ask(&self.questions, |reply| Question::Configure { configured, reply }).await
    }

    /// How the last run ended.
    pub async fn beginning(&self) -> Result<Beginning, Unavailable> {
        ask(&self.questions, |reply| Question::Beginning { reply }).await
    }

    /// Puts a notice into the outbox of the operations endpoint, if there is one and it is not about that;
    /// returns once it is on stable storage.
    pub async fn notify(&self, told: Told) -> Result<(), Unavailable> {
        ask(&self.questions, |reply| Question::Notice { told, reply }).await
    }

    /// Takes no more arrivals; conclusions are still welcome.
    pub async fn refuse_arrivals(&self) {
        let _writer_gone = self.questions.send(Question::RefuseArrivals).await;
    }

    /// Commits what waits, closes the database cleanly and ends the thread.
    pub async fn close(&self) {
        let _writer_gone = self.questions.send(Question::Close).await;
    }
}

type Reply<T> = oneshot::Sender<Result<T, Unavailable>>;

/// The other end of a [`Reply`].
pub(crate) type Answered<T> = oneshot::Receiver<Result<T, Unavailable>>;

async fn ask<T>(
    questions: &mpsc::Sender<Question>,
    question: impl FnOnce(Reply<T>) -> Question,
) -> Result<T, Unavailable> {
    let (reply, answer) = oneshot::channel();
    questions.send(question(reply)).await.map_err(|_| Unavailable)?;
    answer.await.map_err(|_| Unavailable)?
}
