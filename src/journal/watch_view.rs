//! What the threads of a watch ask the journal.

use std::sync::{Arc, atomic::Ordering};

use tokio::sync::{mpsc, oneshot};

use super::{Answered, Journal, Reply, question::Question, source::Source};
use crate::{
    arrival::{
        Answers, FirstScan, Memory, Present, Recall, Recorded, Recorder, RelPath, Scanned, Settled,
        Unavailable,
    },
    clock,
    config::checked,
    vitals::Beat,
};

impl Journal {
    /// The view of one thread of a watch. While it waits for an answer its beat waits, too: what takes long
    /// then is the journal's.
    pub(crate) fn for_watch(&self, watch: &checked::Watch, beat: &Arc<Beat>) -> WatchView {
        let (questions, beat) = (self.questions.clone(), Arc::clone(beat));
        WatchView::new(watch, Blocking { questions, beat })
    }
}

/// How a watch gets its answers.
pub(crate) trait Line: Clone + Send + 'static {
    /// Puts a question.
    fn put(&self, question: Question) -> Result<(), Unavailable>;

    /// Waits for the answer.
    fn wait<T>(&self, answer: Answered<T>) -> Result<T, Unavailable>;
}

/// To the writer's thread; blocks its own.
#[derive(Clone)]
pub(crate) struct Blocking {
    questions: mpsc::Sender<Question>,
    beat: Arc<Beat>,
}

impl Blocking {
    /// What takes long now is the journal's.
    fn away<T>(&self, wait: impl FnOnce() -> T) -> T {
        let before = self.beat.wait_for_another();
        let outcome = wait();
        self.beat.resume(before, clock::mono());
        outcome
    }
}

impl Line for Blocking {
    fn put(&self, question: Question) -> Result<(), Unavailable> {
        self.away(|| self.questions.blocking_send(question).map_err(|_| Unavailable))
    }

    fn wait<T>(&self, answer: Answered<T>) -> Result<T, Unavailable> {
        self.away(|| answer.blocking_recv().map_err(|_| Unavailable))?
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
}

impl<L: Line> WatchView<L> {
    /// The view of one watch, by `line`.
    pub(crate) fn new(watch: &checked::Watch, line: L) -> Self {
        Self { source: Arc::new(Source::of(watch)), line }
    }

    /// Whatever this view asks for from now on is refused.
    pub(crate) fn retire(&self) {
        self.source.retired.store(true, Ordering::Release);
    }

    fn ask<T>(
        &self,
        question: impl FnOnce(Arc<Source>, Reply<T>) -> Question,
    ) -> Result<T, Unavailable> {
        let (reply, answer) = oneshot::channel();
        self.line.put(question(Arc::clone(&self.source), reply))?;
        self.line.wait(answer)
    }
}

impl<L: Line> Recorder for WatchView<L> {
    fn record(&self, batch: Vec<Settled>) -> Answers {
        let (count, source) = (batch.len(), Arc::clone(&self.source));
        let (reply, answer) = oneshot::channel();
        let put = self.line.put(Question::Record { source, batch, reply });
        let line = self.line.clone();
        Box::new(move || {
            let answers = put.and_then(|()| line.wait(answer));
            answers.unwrap_or_else(|Unavailable| vec![Recorded::NoRoom; count])
        })
    }
}

impl<L: Line> Memory for WatchView<L> {
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
