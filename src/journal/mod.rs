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
mod source;
mod store;
mod tables;
mod writer;

#[cfg(test)]
mod tests;

use std::{
    io,
    sync::{Arc, atomic::Ordering},
    thread::JoinHandle,
};

use tokio::sync::{Mutex, mpsc, oneshot, watch};

use self::configured::Configured;
pub use self::{
    desk::{Desk, Treated},
    identity::{Lock, NotLocked, lock},
    ping::ping,
    remedy::{Remedied, Remedy},
};
pub(crate) use self::{question::Question, source::Source, writer::Writer};
use crate::{
    arrival::{
        Conclusion, DueBatch, FirstScan, Memory, Name, Outbox, Present, Recall, Recorded, Recorder,
        RelPath, Scanned, Settled, Unavailable, UrlPrint, Wake,
    },
    clock,
    config::checked::{self, Config},
    notice::Told,
    vitals::{Beat, JournalVitals},
};

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

    /// The view of one thread of a watch. While it waits for an answer its beat waits, too: what takes long
    /// then is the journal's.
    pub(crate) fn for_watch(&self, watch: &checked::Watch, beat: &Arc<Beat>) -> WatchView {
        let (questions, beat) = (self.questions.clone(), Arc::clone(beat));
        WatchView::new(watch, Blocking { questions, beat })
    }

    /// The view of one lane.
    pub fn for_lane(&self) -> LaneView {
        let discards = self.woken.borrow().discards;
        let woken = Mutex::new((self.woken.clone(), discards));
        LaneView { questions: self.questions.clone(), woken }
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

/// How a watch gets its answers.
pub(crate) trait Line {
    /// Puts the question, and waits for the answer.
    fn ask<T>(&self, question: Question, answer: Answered<T>) -> Result<T, Unavailable>;
}

/// To the writer's thread; blocks its own.
#[derive(Clone)]
pub(crate) struct Blocking {
    questions: mpsc::Sender<Question>,
    beat: Arc<Beat>,
}

impl Line for Blocking {
    fn ask<T>(&self, question: Question, answer: Answered<T>) -> Result<T, Unavailable> {
        let before = self.beat.wait_for_another();
        let sent = self.questions.blocking_send(question);
        let answer = sent.map_or(Err(Unavailable), |()| match answer.blocking_recv() {
            Ok(answer) => answer,
            Err(_) => Err(Unavailable),
        });
        self.beat.resume(before, clock::mono());
        answer
    }
}

/// A watch's view of the journal.
#[derive(Clone)]
pub(crate) struct WatchView<L = Blocking> {
    source: Arc<Source>,
    line: L,
}

impl WatchView {
    /// The same view for another thread of the watch.
    #[must_use]
    pub(crate) fn with_beat(&self, beat: &Arc<Beat>) -> Self {
        let line = Blocking { beat: Arc::clone(beat), ..self.line.clone() };
        Self { line, ..self.clone() }
    }

    /// Whatever this view asks for from now on is refused.
    pub(crate) fn retire(&self) {
        self.source.retired.store(true, Ordering::Release);
    }
}

impl<L: Line> WatchView<L> {
    /// The view of one watch, by `line`.
    pub(crate) fn new(watch: &checked::Watch, line: L) -> Self {
        Self { source: Arc::new(Source::of(watch)), line }
    }

    fn ask<T>(
        &self,
        question: impl FnOnce(Arc<Source>, Reply<T>) -> Question,
    ) -> Result<T, Unavailable> {
        let (reply, answer) = oneshot::channel();
        self.line.ask(question(Arc::clone(&self.source), reply), answer)
    }
}

impl<L: Line + Send> Recorder for WatchView<L> {
    fn record(&self, batch: Vec<Settled>) -> Vec<Recorded> {
        let count = batch.len();
        let answers = self.ask(|source, reply| Question::Record { source, batch, reply });
        answers.unwrap_or_else(|Unavailable| vec![Recorded::NoRoom; count])
    }
}

impl<L: Line + Send> Memory for WatchView<L> {
    fn recall(&self, entries: Vec<Present>) -> Result<Vec<Recall>, Unavailable> {
        self.ask(|source, reply| Question::Recall { source, entries, reply })
    }

    fn baseline(&self, entries: Vec<Present>) -> Result<(), Unavailable> {
        self.ask(|source, reply| Question::Baseline { source, entries, reply })
    }

    fn first_scan(&self) -> Result<Option<FirstScan>, Unavailable> {
        self.ask(|source, reply| Question::FirstScan { source, reply })
    }

    fn scanned(&self, scan: Scanned) -> Result<bool, Unavailable> {
        self.ask(|source, reply| Question::Scanned { source, scan, reply })
    }

    fn remembered(&self, after: RelPath) -> Result<Vec<RelPath>, Unavailable> {
        self.ask(|source, reply| Question::Remembered { source, after, reply })
    }

    fn gone(&self, paths: Vec<RelPath>) -> Result<(), Unavailable> {
        self.ask(|source, reply| Question::Gone { source, paths, reply })
    }
}

/// A lane's view of the journal.
pub struct LaneView {
    questions: mpsc::Sender<Question>,
    /// And how many discards it has heard of.
    woken: Mutex<(watch::Receiver<Wakes>, u64)>,
}

impl Outbox for LaneView {
    async fn due(
        &self,
        endpoint: &Name,
        held: Vec<i64>,
        limit: usize,
    ) -> Result<DueBatch, Unavailable> {
        let endpoint = endpoint.clone();
        ask(&self.questions, |reply| Question::Due { endpoint, held, limit, reply }).await
    }

    async fn conclude(
        &self,
        endpoint: &Name,
        ends: Vec<(i64, Conclusion)>,
    ) -> Result<(), Unavailable> {
        let endpoint = endpoint.clone();
        ask(&self.questions, |reply| Question::Conclude { endpoint, ends, reply }).await
    }

    async fn release(&self, endpoint: &Name) -> Result<(), Unavailable> {
        let endpoint = endpoint.clone();
        ask(&self.questions, |reply| Question::Release { endpoint, reply }).await
    }

    async fn park(&self, endpoint: &Name, url: UrlPrint) -> Result<(), Unavailable> {
        let endpoint = endpoint.clone();
        ask(&self.questions, |reply| Question::Park { endpoint, url, reply }).await
    }

    async fn is_parked(&self, endpoint: &Name, url: UrlPrint) -> Result<bool, Unavailable> {
        let endpoint = endpoint.clone();
        ask(&self.questions, |reply| Question::IsParked { endpoint, url, reply }).await
    }

    async fn missing(&self, endpoint: &Name, held: Vec<i64>) -> Result<Vec<i64>, Unavailable> {
        let endpoint = endpoint.clone();
        ask(&self.questions, |reply| Question::Missing { endpoint, held, reply }).await
    }

    async fn woken(&self) -> Wake {
        let mut woken = self.woken.lock().await;
        let (wakes, heard_of) = &mut *woken;
        if wakes.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        let discards = wakes.borrow_and_update().discards;
        let is_news = std::mem::replace(heard_of, discards) == discards;
        if is_news { Wake::News } else { Wake::Discarded }
    }
}
