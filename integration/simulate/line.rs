//! The journal of the simulation: its writer without a thread, and how it is asked.

use std::{cell::RefCell, rc::Rc, task::Poll};

use tokio::sync::{Notify, mpsc::Receiver, oneshot};

use crate::{
    arrival::{Conclusion, DueBatch, Name, Outbox, RelPath, Unavailable, UrlPrint, Wake},
    journal::{Answered, LaneView, Question, Writer, watch_view::Line},
    ledger,
    receiver::tell,
};

struct Running {
    writer: Writer,
    questions: Receiver<Question>,
}

thread_local! {
    static JOURNAL: RefCell<Option<Running>> = const { RefCell::new(None) };
}

/// A writer that answers from now on.
pub(crate) fn open(writer: Writer, questions: Receiver<Question>) {
    JOURNAL.with(|slot| *slot.borrow_mut() = Some(Running { writer, questions }));
}

/// Lets go of it, as a process that dies.
pub(crate) fn abandon() {
    JOURNAL.with(|journal| journal.borrow_mut().take());
}

/// Answers what waits, and closes the journal.
pub(crate) fn close() {
    let running = JOURNAL.with(|journal| journal.borrow_mut().take());
    if let Some(Running { mut writer, mut questions }) = running {
        let mut last = Vec::new();
        while let Ok(question) = questions.try_recv() {
            last.push(question);
        }
        let _closing = writer.answer(last);
        let _counts = writer.close();
    }
}

/// Has the writer answer `question` together with everything that waits.
pub(crate) fn serve(question: Question) {
    JOURNAL.with(|journal| {
        let mut journal = journal.borrow_mut();
        let Some(Running { writer, questions }) = journal.as_mut() else { return };
        let mut group = Vec::new();
        let mut take = |next: Question, group: &mut Vec<Question>| match next {
            // As the writer's thread: what was asked before is answered before.
            Question::Configure { configured, reply } => {
                let _closing = writer.answer(std::mem::take(group));
                writer.configure(*configured, reply);
            }
            next => group.push(next),
        };
        while let Ok(waiting) = questions.try_recv() {
            take(waiting, &mut group);
        }
        take(question, &mut group);
        if !group.is_empty() {
            let _closing = writer.answer(group);
        }
    });
}

pub(crate) async fn next_question() -> Option<Question> {
    std::future::poll_fn(|context| {
        JOURNAL.with(|journal| match journal.borrow_mut().as_mut() {
            Some(running) => running.questions.poll_recv(context),
            None => Poll::Ready(None),
        })
    })
    .await
}

/// The answer is there when the question has been put.
#[derive(Clone)]
pub(crate) struct AtOnce;

impl Line for AtOnce {
    fn put(&self, question: Question) -> Result<(), Unavailable> {
        let names = |paths: &mut dyn Iterator<Item = &RelPath>| {
            paths.map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        match &question {
            Question::Record { batch, .. } => {
                tell(|| format!("settled: {}", names(&mut batch.iter().map(|file| &file.path))));
            }
            Question::Recall { entries, .. } => {
                tell(|| format!("met: {}", names(&mut entries.iter().map(|entry| &entry.path))));
            }
            Question::Baseline { entries, .. } => {
                tell(|| format!("silent: {}", names(&mut entries.iter().map(|entry| &entry.path))));
            }
            _ => {}
        }
        serve_and_note(question);
        Ok(())
    }

    fn wait<T>(&self, mut answer: Answered<T>) -> Result<T, Unavailable> {
        answer.try_recv().map_err(|_| Unavailable)?
    }
}

/// Serves a watch's question, and has the ledger know what came of it.
fn serve_and_note(question: Question) {
    match question {
        Question::Record { source, batch, reply } => {
            ledger::handed_over(&source, &batch);
            let (of, files) = (source.clone(), batch.clone());
            let _unsaid = overhear(
                reply,
                |reply| Question::Record { source, batch, reply },
                |answers| {
                    ledger::recorded(&of, &files, answers);
                },
            );
        }
        Question::Baseline { source, entries, reply } => {
            let (of, met) = (source.clone(), entries.clone());
            let is_said = overhear(
                reply,
                |reply| Question::Baseline { source, entries, reply },
                |()| ledger::recorded_silently(&of, &met),
            );
            if !is_said {
                ledger::perhaps_silently(&of, &met);
            }
        }
        Question::Scanned { source, scan, reply } => {
            let of = source.clone();
            let _unsaid = overhear(
                reply,
                |reply| Question::Scanned { source, scan, reply },
                |_| {
                    ledger::scanned(&of, &scan);
                },
            );
        }
        question => serve(question),
    }
}

type Reply<T> = oneshot::Sender<Result<T, Unavailable>>;

/// Serves a question, and notes the answer. False when there is none.
fn overhear<T>(
    to: Reply<T>,
    ask: impl FnOnce(Reply<T>) -> Question,
    note: impl FnOnce(&T),
) -> bool {
    let (reply, mut answer) = oneshot::channel();
    serve(ask(reply));
    let Ok(answer) = answer.try_recv() else { return false };
    let is_said = answer.is_ok();
    if let Ok(answer) = &answer {
        note(answer);
    }
    let _asker_gone = to.send(answer);
    is_said
}

/// One lane's view of the journal.
pub(crate) struct LaneOutbox {
    pub(crate) journal: LaneView,
    pub(crate) bell: Rc<Notify>,
}

impl Outbox for LaneOutbox {
    async fn due(&self, to: &Name, held: Vec<i64>, limit: usize) -> Result<DueBatch, Unavailable> {
        self.journal.due(to, held, limit).await
    }

    async fn conclude(&self, to: &Name, ends: Vec<(i64, Conclusion)>) -> Result<(), Unavailable> {
        self.journal.conclude(to, ends).await
    }

    async fn release(&self, to: &Name) -> Result<(), Unavailable> {
        self.journal.release(to).await
    }

    async fn park(&self, to: &Name, url: UrlPrint) -> Result<(), Unavailable> {
        self.journal.park(to, url).await
    }

    async fn is_parked(&self, to: &Name, url: UrlPrint) -> Result<bool, Unavailable> {
        self.journal.is_parked(to, url).await
    }

    async fn missing(&self, to: &Name, held: Vec<i64>) -> Result<Vec<i64>, Unavailable> {
        self.journal.missing(to, held).await
    }

    /// Nobody discards anything here.
    async fn woken(&self) -> Wake {
        self.bell.notified().await;
        Wake::News
    }
}
