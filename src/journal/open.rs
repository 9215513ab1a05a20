//! An open database: it answers questions, a group of writing ones in one transaction.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use rusqlite::{Connection, OptionalExtension};
use tracing::{debug, warn};

use super::{
    Closing,
    arrivals::{Arrivals, Origin, Source},
    identity,
    outbox::{Deliveries, Wanted},
    question::{Answer, Question, answer},
    retention::{self, RetentionClock},
    store::{self, StoreError},
    tables::Tables,
};
use crate::{
    arrival::{Name, Recorded, Settled},
    clock,
    config::checked::{Config, Instance, State},
};

/// Delivery cuts what a receiver asks for to this; twice as much covers every jitter.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);

/// An open database and what belongs to it.
pub(super) struct Open {
    db: Connection,
    /// What is counted along.
    pub(super) tables: Tables,
    origin: Origin,
    wait_max: Duration,
    retention: RetentionClock,
    next_retention: Instant,
}

/// What of the configuration the journal's content is matched with.
pub(super) struct Configured {
    pub(super) watches: Vec<Name>,
    pub(super) endpoints: Vec<Name>,
    /// Nothing waits longer than this for its next attempt.
    pub(super) wait_max: Duration,
}

impl Configured {
    pub(super) fn of(config: &Config) -> Self {
        let longest = config.endpoints.iter().flat_map(|endpoint| &endpoint.retry_delays).max();
        let longest = longest.copied().unwrap_or_default().max(RETRY_AFTER_MAX);
        Self {
            watches: config.watches.iter().map(|watch| watch.name.clone()).collect(),
            endpoints: config.endpoints.iter().map(|endpoint| endpoint.name.clone()).collect(),
            wait_max: longest.saturating_mul(2),
        }
    }
}

impl Open {
    /// Opens, or makes, the database in `dir`.
    pub(super) fn new(
        dir: &Path,
        instance: &Instance,
        configured: &Configured,
    ) -> Result<Self, StoreError> {
        let identity = identity::identify(dir, instance)?;
        let db = store::open(dir, identity.is_known)?;
        identity.keep(dir)?;
        let mut tables = Tables::load(&db)?;
        let mut arrivals = Arrivals { db: &db, tables: &mut tables };
        if arrivals.settle_loss(&configured.watches)? {
            warn!(path = %dir.display(),
                "the journal was lost: what is still present is announced again, under its old ids");
        }
        Deliveries { db: &db, tables: &mut tables }.match_configuration(&configured.endpoints)?;
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let origin = Origin { instance: identity.instance, host };
        let sql = "SELECT value FROM meta WHERE key = 'retention_ms'";
        let now_ms = db.query_row(sql, [], |row| row.get(0)).optional()?.unwrap_or(0);
        let retention = RetentionClock { now_ms, read_at: clock::wall() };
        let (wait_max, next_retention) = (configured.wait_max, clock::mono());
        Ok(Self { db, tables, origin, wait_max, retention, next_retention })
    }

    pub(super) fn instance(&self) -> &str {
        &self.origin.instance
    }

    /// Closes cleanly, so that the next start need not check the file.
    pub(super) fn close(self) -> Closing {
        let closing = Closing { waiting: self.tables.events, dead: self.tables.dead };
        if let Err((_, error)) = self.db.close() {
            warn!(%error, "the journal was not closed cleanly; it is checked at the next start");
        }
        closing
    }

    /// Counts again after a transaction that failed.
    pub(super) fn recount(&mut self) -> Result<(), StoreError> {
        self.tables.reload(&self.db)
    }

    /// Answers all of `writes` in one transaction; the answers may be given once this has returned `Ok`.
    /// True when something new may be due.
    pub(super) fn commit(
        &mut self,
        writes: Vec<Question>,
        limits: &State,
        refuses: bool,
        answers: &mut Vec<Answer>,
    ) -> Result<bool, StoreError> {
        self.db.execute_batch("BEGIN IMMEDIATE")?;
        let mut news = false;
        let applied = writes.into_iter().try_for_each(|question| {
            news |= self.apply(question, limits, refuses, answers)?;
            Ok(())
        });
        let committed = applied.and_then(|()| Ok(self.db.execute_batch("COMMIT")?));
        if committed.is_err() {
            // SQLite may have rolled back by itself; then there is nothing to roll back.
            let _already = self.db.execute_batch("ROLLBACK");
        }
        committed.map(|()| news)
    }

    fn apply(
        &mut self,
        question: Question,
        limits: &State,
        refuses: bool,
        answers: &mut Vec<Answer>,
    ) -> Result<bool, StoreError> {
        let mut news = false;
        answers.push(match question {
            Question::Record { source, batch, reply } => {
                let recorded = self.record(&source, &batch, limits, refuses)?;
                news = recorded.iter().any(|outcome| matches!(outcome, Recorded::New(_)));
                answer(reply, recorded)
            }
            Question::Baseline { source, entries, reply } => {
                answer(reply, self.arrivals().baseline(&source.watch, &entries)?)
            }
            Question::Scanned { source, scan, reply } => {
                answer(reply, self.arrivals().scanned(&source.watch, scan)?)
            }
            Question::Gone { source, paths, reply } => {
                let retention = self.retention;
                answer(reply, self.arrivals().gone(&source.watch, &paths, retention)?)
            }
            Question::Conclude { endpoint, seq, conclusion, reply } => {
                news = self.deliveries().conclude(&endpoint, seq, &conclusion, clock::wall())?;
                answer(reply, ())
            }
            Question::Release { endpoint, reply } => {
                news = true;
                answer(reply, self.deliveries().release(&endpoint)?)
            }
            Question::Park { endpoint, url, reply } => {
                answer(reply, self.deliveries().park(&endpoint, url)?)
            }
            _ => return Ok(false),
        });
        Ok(news)
    }

    fn record(
        &mut self,
        source: &Source,
        batch: &[Settled],
        limits: &State,
        refuses: bool,
    ) -> Result<Vec<Recorded>, StoreError> {
        if refuses {
            return Ok(vec![Recorded::NoRoom; batch.len()]);
        }
        let now = clock::wall_micros();
        let mut recorded = Vec::with_capacity(batch.len());
        for settled in batch {
            let mut arrivals = Arrivals { db: &self.db, tables: &mut self.tables };
            let outcome = arrivals.record(source, settled, &self.origin, limits, now)?;
            if let Recorded::New(event) = outcome {
                debug!(watch = %source.watch, path = %settled.path, %event, "committed");
            }
            recorded.push(outcome);
        }
        Ok(recorded)
    }

    /// Answers a question that only reads.
    pub(super) fn read(&mut self, question: Question) -> Result<Option<Answer>, StoreError> {
        Ok(Some(match question {
            Question::Recall { source, entries, reply } => {
                answer(reply, self.arrivals().recall(&source.watch, &entries)?)
            }
            Question::FirstScan { source, reply } => {
                answer(reply, self.arrivals().first_scan(&source.watch)?)
            }
            Question::Remembered { source, after, reply } => {
                answer(reply, self.arrivals().remembered(&source.watch, &after)?)
            }
            Question::Due { endpoint, held, limit, reply } => {
                let wait_max = self.wait_max;
                let wanted = Wanted { endpoint: &endpoint, held: &held, limit, wait_max };
                answer(reply, self.deliveries().due(&wanted, clock::wall())?)
            }
            Question::IsParked { endpoint, url, reply } => {
                answer(reply, self.deliveries().is_parked(&endpoint, url)?)
            }
            _ => return Ok(None),
        }))
    }

    /// Now and then, and when there are too many dead letters: forgets what may be forgotten, and gives
    /// free pages back a few at a time.
    pub(super) fn retain(&mut self, dead_max: u64, now: Instant) -> Result<(), StoreError> {
        if now < self.next_retention && self.tables.dead <= dead_max {
            return Ok(());
        }
        self.next_retention = now + retention::INTERVAL;
        self.retention = self.retention.advance(clock::wall());
        self.db.execute_batch("BEGIN IMMEDIATE")?;
        let forgotten = self.forget(dead_max);
        self.db.execute_batch(if forgotten.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
        let buried = forgotten?;
        if buried > 0 {
            warn!(buried, "the oldest dead letters were removed: state.dead_max_events is reached");
        }
        self.db.execute_batch("PRAGMA incremental_vacuum(256)")?;
        Ok(())
    }

    fn forget(&mut self, dead_max: u64) -> Result<u64, StoreError> {
        let sql = "DELETE FROM seen WHERE gone_since IS NOT NULL AND gone_since < ?1";
        self.db.execute(sql, [self.retention.tombstones_before()])?;
        let sql = "INSERT OR REPLACE INTO meta (key, value) VALUES ('retention_ms', ?1)";
        self.db.execute(sql, [self.retention.now_ms])?;
        self.deliveries().bury_oldest(dead_max)
    }

    fn arrivals(&mut self) -> Arrivals<'_> {
        Arrivals { db: &self.db, tables: &mut self.tables }
    }

    fn deliveries(&mut self) -> Deliveries<'_> {
        Deliveries { db: &self.db, tables: &mut self.tables }
    }
}
