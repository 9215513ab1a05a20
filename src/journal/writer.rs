//! The writer thread: it owns the database, whatever state that is in.

use std::{
    ops::ControlFlow,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::{mpsc, watch};
use tracing::{error, info};

use super::{
    Beginning, Closing, Reply, Wakes,
    configured::Configured,
    identity::{self, Lock},
    open::{Open, Opening},
    question::{Question, answer, group},
    store::{self, StoreError},
    tables::Carried,
};
use crate::{
    arrival::Unavailable,
    clock,
    config::checked::{Config, Instance},
    stall,
    vitals::JournalVitals,
};

/// How long a database that could not be opened is left alone.
const REOPEN_AFTER: Duration = Duration::from_secs(2);

/// How long opening may take: after an unclean stop the whole file is read.
const OPEN_LIMIT: Duration = Duration::from_mins(15);

/// What the thread needs from outside.
pub(crate) struct Ports {
    pub(super) wake: watch::Sender<Wakes>,
    pub(super) lose: watch::Sender<u64>,
    pub(super) vitals: Arc<JournalVitals>,
}

pub(crate) struct Writer {
    instance: Instance,
    configured: Configured,
    lock: Option<Lock>,
    ports: Ports,
    open: Option<Open>,
    /// How the run before this one ended.
    beginning: Option<Beginning>,
    last_failure: Option<(Instant, String)>,
    refuses: bool,
    was_open: bool,
    /// The database of this run was set aside: everybody must hear of it once there is another.
    was_lost: bool,
    /// From the last database that was open in this run.
    carried: Carried,
}

impl Writer {
    pub(super) fn new(config: &Config, lock: Option<Lock>, ports: Ports) -> Self {
        Self {
            instance: config.instance.clone(),
            configured: Configured::of(config),
            lock,
            ports,
            open: None,
            beginning: None,
            last_failure: None,
            refuses: false,
            was_open: false,
            was_lost: false,
            carried: Carried::default(),
        }
    }

    /// Answers until told to close, or until nobody is left to ask.
    pub(super) fn run(mut self, mut questions: mpsc::Receiver<Question>) -> Closing {
        self.reopen();
        self.publish();
        while let Some(first) = self.wait_for(&mut questions) {
            let (group, configure) = group(first, &mut questions);
            let closing = self.answer(group);
            if let Some((configured, reply)) = configure {
                self.configure(*configured, reply);
            }
            self.publish();
            if closing.is_break() {
                break;
            }
        }
        self.close()
    }

    /// Waits for a question.
    fn wait_for(&mut self, questions: &mut mpsc::Receiver<Question>) -> Option<Question> {
        if let Some(question) = self.work_meanwhile(questions) {
            return Some(question);
        }
        self.ports.vitals.beat.wait();
        let question = questions.blocking_recv();
        self.ports.vitals.beat.begin(clock::mono());
        stall::here("journal");
        question
    }

    /// Copies what was announced, and forgets what may be forgotten, until there is a question.
    fn work_meanwhile(&mut self, questions: &mut mpsc::Receiver<Question>) -> Option<Question> {
        loop {
            match self.open.as_mut()?.go_on() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(failure) => {
                    self.recover(failure);
                    return None;
                }
            }
            self.ports.vitals.beat.begin(clock::mono());
            if let Ok(question) = questions.try_recv() {
                return Some(question);
            }
        }
    }

    /// Answers a group of questions; breaks off when one of them was to close.
    pub(crate) fn answer(&mut self, group: Vec<Question>) -> ControlFlow<()> {
        if self.open.is_none() {
            self.reopen();
        }
        let close = group.iter().any(|question| matches!(question, Question::Close));
        self.ports.vitals.beat.begin(clock::mono());
        self.serve(group);
        if close { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Closes the database cleanly, if there is one.
    pub(crate) fn close(self) -> Closing {
        self.open.map(Open::close).unwrap_or_default()
    }

    /// Whatever becomes of it, no question is answered by the old set afterwards: a database that cannot
    /// take the new one is closed, and takes it when it is opened again.
    pub(crate) fn configure(&mut self, configured: Configured, reply: Reply<()>) {
        let dir = self.configured.dir.clone();
        let before = std::mem::replace(&mut self.configured, Configured { dir, ..configured });
        let Some(open) = &mut self.open else { return };
        if before == self.configured {
            return answer(reply, ())(Ok(()));
        }
        match open.configure(&self.configured) {
            Ok(()) => {
                answer(reply, ())(Ok(()));
                // What was parked may be due.
                let discards = self.open.as_ref().map_or(0, |open| open.tables.discards);
                self.ports.wake.send_modify(|wakes| wakes.note(discards));
            }
            Err(failure) => {
                self.recover(failure);
                self.drop_open();
            }
        }
    }

    /// One transaction for everything that writes, then the answers, then the questions that only read:
    /// they must see what is committed, and nothing else (P4).
    fn serve(&mut self, group: Vec<Question>) {
        let (writes, reads): (Vec<_>, Vec<_>) = group.into_iter().partition(Question::writes);
        if !writes.is_empty() {
            self.write(writes);
        }
        for question in reads {
            match question {
                Question::RefuseArrivals => self.refuses = true,
                question => self.read(question),
            }
        }
        self.housekeep();
    }

    /// Questions that are dropped unanswered read as "unavailable" to whoever asked.
    fn write(&mut self, writes: Vec<Question>) {
        let Some(open) = &mut self.open else { return };
        let mut answers = Vec::with_capacity(writes.len());
        match open.commit(writes, self.refuses, &mut answers) {
            Ok(news) => {
                self.ports.vitals.committed();
                for answer in answers {
                    answer(Ok(()));
                }
                if self.last_failure.take().is_some() {
                    info!(path = %self.configured.dir.display(), "the journal can be used again");
                }
                if news {
                    let discards = open.tables.discards;
                    self.ports.wake.send_modify(|wakes| wakes.note(discards));
                }
            }
            Err(failure) => {
                self.recover(failure);
                for answer in answers {
                    answer(Err(Unavailable));
                }
            }
        }
    }

    fn read(&mut self, question: Question) {
        let Some(open) = &mut self.open else { return };
        match open.read(question) {
            Ok(Some(answer)) => answer(Ok(())),
            Ok(None) => {}
            Err(failure) => self.recover(failure),
        }
    }

    /// Opens the database if that was not tried just now.
    fn reopen(&mut self) {
        let now = clock::mono();
        if self.last_failure.as_ref().is_some_and(|(at, _)| now < *at + REOPEN_AFTER) {
            return;
        }
        self.ports.vitals.beat.begin_long(now, OPEN_LIMIT);
        match self.try_open() {
            Ok(open) => self.opened(open),
            Err(StoreError::Damaged(reason)) => self.replace(&reason),
            Err(failure) => self.failed(now, &failure),
        }
    }

    fn try_open(&mut self) -> Result<Open, StoreError> {
        if self.lock.is_none() {
            let lock = identity::lock(&self.configured.dir);
            self.lock = Some(lock.map_err(|e| StoreError::Reopen(e.to_string()))?);
        }
        Open::new(&Opening {
            instance: &self.instance,
            configured: &self.configured,
            check: !self.was_open,
            carried: &self.carried,
        })
    }

    fn opened(&mut self, mut open: Open) {
        // Opened again in the same run, it was of course not closed.
        open.beginning = *self.beginning.get_or_insert(open.beginning);
        info!(path = %self.configured.dir.display(), waiting = open.tables.events, dead = open.tables.dead,
            instance = open.instance(), "journal open");
        let discards = open.tables.discards;
        self.open = Some(open);
        self.was_open = true;
        self.last_failure = None;
        self.ports.wake.send_modify(|wakes| wakes.note(discards));
        if std::mem::take(&mut self.was_lost) {
            self.ports.lose.send_modify(|losses| *losses += 1);
        }
    }

    /// Lets go of the database without closing it cleanly.
    fn drop_open(&mut self) {
        if let Some(open) = self.open.take() {
            self.carried = open.tables.carried();
        }
    }

    /// Sets a damaged database aside and makes another. Whatever was scanned before must be scanned again.
    fn replace(&mut self, reason: &str) {
        self.drop_open();
        // It may have a copy to take in.
        self.ports.vitals.beat.begin_long(clock::mono(), OPEN_LIMIT);
        // Even if setting aside fails, it may have got so far that the next database is a new one.
        self.was_lost |= self.was_open;
        let set_aside = store::set_aside(&self.configured.dir, clock::wall(), reason);
        let replaced = set_aside.map_err(StoreError::from).and_then(|()| self.try_open());
        match replaced {
            Ok(open) => self.opened(open),
            Err(failure) => self.failed(clock::mono(), &failure),
        }
        self.ports.vitals.beat.begin(clock::mono());
    }

    fn failed(&mut self, now: Instant, failure: &StoreError) {
        let reason = failure.to_string();
        if self.last_failure.as_ref().is_none_or(|(_, told)| *told != reason) {
            error!(path = %self.configured.dir.display(), reason,
                "the journal cannot be used: nothing is announced and nothing is forgotten until it can");
        }
        self.last_failure = Some((now, reason));
    }

    /// After a failure: count again, open again, or replace the file.
    fn recover(&mut self, failure: StoreError) {
        match failure {
            StoreError::Later(_) => {
                self.failed(clock::mono(), &failure);
                match self.open.as_mut().map_or(Ok(()), Open::recount) {
                    Ok(()) => {}
                    Err(StoreError::Damaged(reason)) => self.replace(&reason),
                    Err(_) => self.drop_open(),
                }
            }
            StoreError::Reopen(_) => {
                self.failed(clock::mono(), &failure);
                self.drop_open();
            }
            StoreError::Damaged(reason) => self.replace(&reason),
        }
    }

    /// Says what the journal holds, after every group: whoever looks does not ask this thread.
    fn publish(&mut self) {
        let counted = self.open.as_mut().map(Open::count);
        let reason = self.last_failure.as_ref().map(|(_, reason)| reason.clone());
        let now = clock::mono();
        self.ports.vitals.change(|ledger| {
            ledger.open = self.open.is_some();
            let since = ledger.degraded.take().map_or(now, |(since, _)| since);
            ledger.degraded = reason.map(|reason| (since, reason));
            if let (Some(open), Some(Ok(backlogs))) = (&self.open, &counted) {
                ledger.instance.get_or_insert_with(|| open.instance().to_owned());
                ledger.events = open.tables.events;
                ledger.backlogs.clone_from(backlogs);
                ledger.run = Some(open.run());
            }
        });
        if let Some(Err(failure)) = counted {
            self.recover(failure);
        }
    }

    fn housekeep(&mut self) {
        let Some(open) = &mut self.open else { return };
        if let Err(failure) = open.keep_house() {
            self.recover(failure);
        }
    }
}
