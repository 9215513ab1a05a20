//! The writer thread: everything that waits becomes one transaction, and is answered once it is durable.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use tokio::sync::{mpsc, watch};
use tracing::{debug, error, info, warn};

use super::{
    Closing, Reply,
    arrivals::{Arrivals, Origin, Source},
    identity::{self, Lock},
    outbox::Deliveries,
    retention::{self, RetentionClock},
    store::{self, StoreError},
    tables::Tables,
};
use crate::{
    arrival::{
        Conclusion, DueBatch, FirstScan, Name, Present, Recall, Recorded, RelPath, Scanned,
        Settled, Unavailable, UrlPrint,
    },
    clock,
    config::checked::{Config, Instance, State},
};

/// Questions answered by one transaction.
const GROUP_MAX: usize = 128;

/// How long a database that could not be opened is left alone.
const REOPEN_AFTER: Duration = Duration::from_secs(2);

/// What can be asked of the writer.
pub(super) enum Command {
    Record { source: Arc<Source>, batch: Vec<Settled>, reply: Reply<Vec<Recorded>> },
    Recall { source: Arc<Source>, entries: Vec<Present>, reply: Reply<Vec<Recall>> },
    Baseline { source: Arc<Source>, entries: Vec<Present>, reply: Reply<()> },
    FirstScan { source: Arc<Source>, reply: Reply<Option<FirstScan>> },
    Scanned { source: Arc<Source>, scan: Scanned, reply: Reply<bool> },
    Remembered { source: Arc<Source>, after: RelPath, reply: Reply<Vec<RelPath>> },
    Gone { source: Arc<Source>, paths: Vec<RelPath>, reply: Reply<()> },
    Due { endpoint: Name, held: Vec<i64>, limit: usize, reply: Reply<DueBatch> },
    Conclude { endpoint: Name, seq: i64, conclusion: Conclusion, reply: Reply<()> },
    Release { endpoint: Name, reply: Reply<()> },
    Park { endpoint: Name, url: UrlPrint, reply: Reply<()> },
    IsParked { endpoint: Name, url: UrlPrint, reply: Reply<bool> },
    RefuseArrivals,
    Close,
}

/// Sends one answer, or the news that there is none.
type Answer = Box<dyn FnOnce(Result<(), Unavailable>)>;

fn answer<T: 'static>(reply: Reply<T>, value: T) -> Answer {
    Box::new(move |committed| {
        // Whoever asked may have gone meanwhile (a cancelled request).
        let _asker_gone = reply.send(committed.map(|()| value));
    })
}

pub(super) struct Writer {
    state: State,
    instance: Instance,
    watches: Vec<Name>,
    endpoints: Vec<Name>,
    lock: Option<Lock>,
    questions: mpsc::Receiver<Command>,
    wake: watch::Sender<u64>,
    lose: watch::Sender<u64>,
    open: Option<Open>,
    last_failure: Option<(Instant, String)>,
    refuses: bool,
}

/// An open database and what belongs to it.
struct Open {
    db: Connection,
    tables: Tables,
    origin: Origin,
    retention: RetentionClock,
    next_retention: Instant,
}

impl Writer {
    pub(super) fn new(
        config: &Config,
        lock: Option<Lock>,
        questions: mpsc::Receiver<Command>,
        wake: watch::Sender<u64>,
        lose: watch::Sender<u64>,
    ) -> Self {
        Self {
            state: config.state.clone(),
            instance: config.instance.clone(),
            watches: config.watches.iter().map(|watch| watch.name.clone()).collect(),
            endpoints: config.endpoints.iter().map(|endpoint| endpoint.name.clone()).collect(),
            lock,
            questions,
            wake,
            lose,
            open: None,
            last_failure: None,
            refuses: false,
        }
    }

    pub(super) fn run(mut self) -> Closing {
        self.reopen();
        while let Some(first) = self.questions.blocking_recv() {
            let mut group = vec![first];
            while group.len() < GROUP_MAX {
                let Ok(next) = self.questions.try_recv() else { break };
                group.push(next);
            }
            if self.open.is_none() {
                self.reopen();
            }
            let close = group.iter().any(|question| matches!(question, Command::Close));
            self.serve(group);
            if close {
                break;
            }
        }
        self.close()
    }

    fn close(self) -> Closing {
        let Some(open) = self.open else { return Closing::default() };
        let closing = Closing { waiting: open.tables.events, dead: open.tables.dead };
        if let Err((_, error)) = open.db.close() {
            warn!(%error, "the journal was not closed cleanly; it is checked at the next start");
        }
        closing
    }

    /// Opens the database if that was not tried just now.
    fn reopen(&mut self) {
        let now = clock::mono();
        if self.last_failure.as_ref().is_some_and(|(at, _)| now < *at + REOPEN_AFTER) {
            return;
        }
        match self.try_open() {
            Ok(open) => {
                info!(path = %self.state.dir.display(), waiting = open.tables.events, dead = open.tables.dead,
                    instance = open.origin.instance, "journal open");
                for (endpoint, waiting) in open.tables.endpoints() {
                    if waiting > 0 && !self.endpoints.contains(endpoint) {
                        warn!(%endpoint, waiting, "events are parked: their endpoint is no longer configured");
                    }
                }
                self.open = Some(open);
                self.last_failure = None;
                self.wake.send_modify(|turns| *turns += 1);
            }
            Err(failure) => self.failed(now, &failure),
        }
    }

    fn failed(&mut self, now: Instant, failure: &StoreError) {
        let reason = failure.to_string();
        if self.last_failure.as_ref().is_none_or(|(_, told)| *told != reason) {
            error!(path = %self.state.dir.display(), reason,
                "the journal cannot be used: nothing is announced and nothing is forgotten until it can");
        }
        self.last_failure = Some((now, reason));
    }

    fn try_open(&mut self) -> Result<Open, StoreError> {
        let dir: &Path = &self.state.dir;
        if self.lock.is_none() {
            self.lock = Some(identity::lock(dir).map_err(|e| StoreError::Reopen(e.to_string()))?);
        }
        let identity = identity::identify(dir, &self.instance)?;
        let opened = store::open(dir, clock::wall())?;
        let mut tables = Tables::load(&opened.connection)?;
        let db = opened.connection;
        if opened.is_new && identity.is_known {
            warn!(path = %dir.display(), "the journal was lost: what is still present is announced again, under its old ids");
            let mut arrivals = Arrivals { db: &db, tables: &mut tables };
            for watch in &self.watches {
                arrivals.mark_lost(watch)?;
            }
        }
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let origin = Origin { instance: identity.instance, host };
        let retention = load_retention(&db)?;
        Ok(Open { db, tables, origin, retention, next_retention: clock::mono() })
    }

    /// One transaction for everything that writes, then the answers, then the questions that only read:
    /// they must see what is committed, and nothing else (P4).
    fn serve(&mut self, group: Vec<Command>) {
        let (writes, reads): (Vec<_>, Vec<_>) = group.into_iter().partition(Command::writes);
        if !writes.is_empty() {
            self.write(writes);
        }
        for question in reads {
            self.read(question);
        }
        self.housekeep();
    }

    fn write(&mut self, writes: Vec<Command>) {
        let mut answers: Vec<Answer> = Vec::with_capacity(writes.len());
        let mut news = false;
        let outcome = match &mut self.open {
            None => {
                refuse(writes);
                return;
            }
            Some(open) => {
                let mut group =
                    Group { open, state: &self.state, refuses: self.refuses, news: &mut news };
                group.commit(writes, &mut answers)
            }
        };
        let committed = outcome.map_err(|failure| self.recover(failure));
        for answer in answers {
            answer(committed.map_err(|()| Unavailable));
        }
        if committed.is_ok() && news {
            self.wake.send_modify(|turns| *turns += 1);
        }
    }

    fn read(&mut self, question: Command) {
        if matches!(question, Command::RefuseArrivals) {
            self.refuses = true;
            return;
        }
        let Some(open) = &mut self.open else { return refuse(vec![question]) };
        let asked = match question {
            Command::Recall { source, entries, reply } => {
                open.arrivals().recall(&source.watch, &entries).map(|found| answer(reply, found))
            }
            Command::FirstScan { source, reply } => {
                open.arrivals().first_scan(&source.watch).map(|first| answer(reply, first))
            }
            Command::Remembered { source, after, reply } => {
                open.arrivals().remembered(&source.watch, &after).map(|page| answer(reply, page))
            }
            Command::Due { endpoint, held, limit, reply } => open
                .deliveries()
                .due(&endpoint, &held, limit, clock::wall())
                .map(|due| answer(reply, due)),
            Command::IsParked { endpoint, url, reply } => {
                open.deliveries().is_parked(&endpoint, url).map(|parked| answer(reply, parked))
            }
            _ => return,
        };
        // A reply that is dropped unanswered reads as "unavailable".
        match asked {
            Ok(answer) => answer(Ok(())),
            Err(failure) => self.recover(failure),
        }
    }

    /// After a failure: count again, open again, or replace the file.
    fn recover(&mut self, failure: StoreError) {
        self.failed(clock::mono(), &failure);
        match failure {
            StoreError::Later(_) => {
                let reloaded = self.open.as_mut().map(|open| open.tables.reload(&open.db));
                if reloaded.is_some_and(|reloaded| reloaded.is_err()) {
                    self.open = None;
                }
            }
            StoreError::Reopen(_) => self.open = None,
            StoreError::Damaged(reason) => self.replace(&reason),
        }
    }

    fn replace(&mut self, reason: &str) {
        self.open = None;
        if let Err(error) = store::set_aside(&self.state.dir, clock::wall(), reason) {
            return self.failed(clock::mono(), &error.into());
        }
        self.last_failure = None;
        self.reopen();
        self.lose.send_modify(|losses| *losses += 1);
    }

    fn housekeep(&mut self) {
        let keep = self.state.dead_events_max;
        let Some(open) = &mut self.open else { return };
        let now = clock::mono();
        if now < open.next_retention && open.tables.dead <= keep {
            return;
        }
        open.next_retention = now + retention::INTERVAL;
        if let Err(failure) = open.retain(keep) {
            self.recover(failure);
        }
    }
}

impl Command {
    fn writes(&self) -> bool {
        matches!(
            self,
            Self::Record { .. }
                | Self::Baseline { .. }
                | Self::Scanned { .. }
                | Self::Gone { .. }
                | Self::Conclude { .. }
                | Self::Release { .. }
                | Self::Park { .. }
        )
    }
}

/// Dropping a reply tells its asker that the journal is not available.
fn refuse(questions: Vec<Command>) {
    drop(questions);
}

/// One transaction under way.
struct Group<'a> {
    open: &'a mut Open,
    state: &'a State,
    refuses: bool,
    news: &'a mut bool,
}

impl Group<'_> {
    fn commit(
        &mut self,
        writes: Vec<Command>,
        answers: &mut Vec<Answer>,
    ) -> Result<(), StoreError> {
        self.open.db.execute_batch("BEGIN IMMEDIATE")?;
        for question in writes {
            if let Err(failure) = self.apply(question, answers) {
                let _rolled_back_by_sqlite = self.open.db.execute_batch("ROLLBACK");
                return Err(failure);
            }
        }
        if let Err(error) = self.open.db.execute_batch("COMMIT") {
            let _rolled_back_by_sqlite = self.open.db.execute_batch("ROLLBACK");
            return Err(error.into());
        }
        Ok(())
    }

    fn apply(&mut self, question: Command, answers: &mut Vec<Answer>) -> Result<(), StoreError> {
        match question {
            Command::Record { source, batch, reply } => {
                let recorded = self.record(&source, &batch)?;
                answers.push(answer(reply, recorded));
            }
            Command::Baseline { source, entries, reply } => {
                self.open.arrivals().baseline(&source.watch, &entries)?;
                answers.push(answer(reply, ()));
            }
            Command::Scanned { source, scan, reply } => {
                let missing = self.open.arrivals().scanned(&source.watch, scan)?;
                answers.push(answer(reply, missing));
            }
            Command::Gone { source, paths, reply } => {
                let retention = self.open.retention;
                self.open.arrivals().gone(&source.watch, &paths, retention)?;
                answers.push(answer(reply, ()));
            }
            Command::Conclude { endpoint, seq, conclusion, reply } => {
                *self.news |=
                    self.open.deliveries().conclude(&endpoint, seq, &conclusion, clock::wall())?;
                answers.push(answer(reply, ()));
            }
            Command::Release { endpoint, reply } => {
                self.open.deliveries().release(&endpoint)?;
                *self.news = true;
                answers.push(answer(reply, ()));
            }
            Command::Park { endpoint, url, reply } => {
                self.open.deliveries().park(&endpoint, url)?;
                answers.push(answer(reply, ()));
            }
            _ => {}
        }
        Ok(())
    }

    fn record(&mut self, source: &Source, batch: &[Settled]) -> Result<Vec<Recorded>, StoreError> {
        if self.refuses {
            return Ok(vec![Recorded::NoRoom; batch.len()]);
        }
        let now = clock::wall_micros();
        let mut recorded = Vec::with_capacity(batch.len());
        for settled in batch {
            let mut arrivals = Arrivals { db: &self.open.db, tables: &mut self.open.tables };
            let outcome = arrivals.record(source, settled, &self.open.origin, self.state, now)?;
            if let Recorded::New(event) = outcome {
                *self.news = true;
                debug!(watch = %source.watch, path = %settled.path, %event, "committed");
            }
            recorded.push(outcome);
        }
        Ok(recorded)
    }
}

impl Open {
    fn arrivals(&mut self) -> Arrivals<'_> {
        Arrivals { db: &self.db, tables: &mut self.tables }
    }

    fn deliveries(&mut self) -> Deliveries<'_> {
        Deliveries { db: &self.db, tables: &mut self.tables }
    }

    /// Forgets what may be forgotten, and gives free pages back a few at a time.
    fn retain(&mut self, dead_max: u64) -> Result<(), StoreError> {
        self.retention = self.retention.advance(clock::wall());
        self.db.execute_batch("BEGIN IMMEDIATE")?;
        let done = self.forget(dead_max);
        self.db.execute_batch(if done.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
        let buried = done?;
        if buried > 0 {
            warn!(buried, "the oldest dead letters were removed: state.dead_max_events is reached");
        }
        self.db.execute_batch("PRAGMA incremental_vacuum(256)")?;
        Ok(())
    }

    fn forget(&mut self, dead_max: u64) -> Result<u64, StoreError> {
        let forget = "DELETE FROM seen WHERE gone_since IS NOT NULL AND gone_since < ?1";
        self.db.execute(forget, [self.retention.tombstones_before()])?;
        let keep = "INSERT OR REPLACE INTO meta (key, value) VALUES ('retention_ms', ?1)";
        self.db.execute(keep, [self.retention.now_ms])?;
        self.deliveries().bury_oldest(dead_max)
    }
}

fn load_retention(db: &Connection) -> Result<RetentionClock, StoreError> {
    use rusqlite::OptionalExtension as _;
    let sql = "SELECT value FROM meta WHERE key = 'retention_ms'";
    let now_ms = db.query_row(sql, [], |row| row.get(0)).optional()?.unwrap_or(0);
    Ok(RetentionClock { now_ms, read_at: clock::wall() })
}
