//! An open database: it answers questions, a group of writing ones in one transaction.

use std::{collections::BTreeMap, path::Path, time::Instant};

use rusqlite::{Connection, OptionalExtension};
use tracing::{debug, warn};

use super::{
    Beginning, Closing,
    arrivals::{Arrivals, Origin},
    configured::{self, Configured},
    copy::{self, Copying},
    desk::Treated,
    forgetting::Forgetting,
    identity,
    look::{Filter, Place},
    outbox::Deliveries,
    question::{Answer, Question, answer},
    remedy::Remedy,
    retention::{self, RetentionClock},
    source::Source,
    store::{self, Opened, StoreError},
    tables::{Carried, Tables},
};
use crate::{
    arrival::{Conclusion, Name, Recorded, Settled},
    clock::{self, StepWatch},
    config::checked::Instance,
    notice::Told,
    stat,
    vitals::{Backlog, Run},
};

/// Free bytes of the state directory's file system that new events do not use; a quarter of a small one.
const DISK_RESERVE_MAX: u64 = 4 << 20;

pub(super) struct Open {
    pub(super) db: Connection,
    /// What is counted along.
    pub(super) tables: Tables,
    pub(super) configured: Configured,
    origin: Origin,
    pub(super) retention: RetentionClock,
    next_retention: Instant,
    pub(super) forgetting: Forgetting,
    steps: StepWatch,
    pub(super) copying: Copying,
    /// How the run before this one ended.
    pub(super) beginning: Beginning,
    run: Run,
}

/// How a database is opened.
pub(super) struct Opening<'a> {
    pub(super) instance: &'a Instance,
    pub(super) configured: &'a Configured,
    /// Read the whole file if it was not closed cleanly.
    pub(super) check: bool,
    /// From the database before this one, in this run.
    pub(super) carried: &'a Carried,
}

impl Open {
    /// Opens, or makes, the database.
    pub(super) fn new(opening: &Opening<'_>) -> Result<Self, StoreError> {
        let Opening { instance, configured, check, carried } = *opening;
        let dir = configured.dir.as_path();
        let identity = identity::identify(dir, instance)?;
        let Opened { db, after_crash } = store::open(dir, identity.is_known, check)?;
        copy::restore(&db, dir)?;
        identity.keep(dir)?;
        let sql = "SELECT value FROM meta WHERE key = 'retention_ms'";
        let now_ms = db.query_row(sql, [], |row| row.get(0)).optional()?.unwrap_or(0);
        let (mono, wall) = (clock::mono(), clock::wall());
        store::begin(&db)?;
        let applied = configured.apply(&db, wall);
        let applied =
            applied.and_then(|lost| Ok((lost, configured::run(&db, check, after_crash)?)));
        let (lost, run) = store::finish(&db, applied)?;
        if lost {
            warn!(path = %dir.display(),
                "the journal was lost: what is still present is announced again, under its old ids");
        }
        let tables = Tables::load(&db, carried.clone())?;
        let forgetting = Forgetting::of_removed(configured.removed(&db)?);
        let host = identity::host();
        Ok(Self {
            db,
            tables,
            configured: configured.clone(),
            origin: Origin { instance: identity.instance, host },
            retention: RetentionClock { now_ms, read_at: wall },
            next_retention: mono,
            forgetting,
            steps: StepWatch::new(mono, wall),
            copying: Copying::new(dir),
            beginning: Beginning { after_crash: run.after_crash },
            run,
        })
    }

    /// Goes over to another set of watches and endpoints.
    pub(super) fn configure(&mut self, configured: &Configured) -> Result<(), StoreError> {
        store::begin(&self.db)?;
        let applied = configured.apply(&self.db, clock::wall());
        store::finish(&self.db, applied)?;
        self.tables = Tables::load(&self.db, self.tables.carried())?;
        self.forgetting = Forgetting::of_removed(configured.removed(&self.db)?);
        self.configured = configured.clone();
        Ok(())
    }

    pub(super) fn instance(&self) -> &str {
        &self.origin.instance
    }

    /// Starts on this journal so far.
    pub(super) fn run(&self) -> Run {
        self.run
    }

    /// What waits, is dead or parked, by endpoint.
    pub(super) fn count(&mut self) -> Result<BTreeMap<Name, Backlog>, StoreError> {
        self.tables.backlogs(&self.db)
    }

    /// Closes cleanly, so that the next start need not check the file.
    pub(super) fn close(self) -> Closing {
        let closing = Closing { waiting: self.tables.events, dead: self.tables.dead };
        if let Err((_, error)) = self.db.close() {
            warn!(%error, "the journal was not closed cleanly; it is checked at the next start");
        }
        closing
    }

    /// Counts again after a transaction that failed, and makes what room there is for the next.
    pub(super) fn recount(&mut self) -> Result<(), StoreError> {
        match store::make_room(&self.db) {
            // A disk that is full to the last byte refuses this too; then there is room another time.
            Ok(()) | Err(StoreError::Later(_)) => self.tables.recount(&self.db),
            Err(failure) => Err(failure),
        }
    }

    /// Answers all of `writes` in one transaction; the answers may be given once this has returned `Ok`.
    /// True when something new may be due. With `refuses`, nothing new is recorded.
    pub(super) fn commit(
        &mut self,
        writes: Vec<Question>,
        refuses: bool,
        answers: &mut Vec<Answer>,
    ) -> Result<bool, StoreError> {
        store::begin(&self.db)?;
        let mut news = false;
        let applied = writes.into_iter().try_for_each(|question| {
            news |= self.apply(question, refuses, answers)?;
            Ok(())
        });
        store::finish(&self.db, applied).map(|()| news)
    }

    fn apply(
        &mut self,
        question: Question,
        refuses: bool,
        answers: &mut Vec<Answer>,
    ) -> Result<bool, StoreError> {
        let mut news = false;
        answers.push(match question {
            Question::Baseline { source, .. }
            | Question::Scanned { source, .. }
            | Question::Gone { source, .. }
                if source.is_retired() =>
            {
                return Ok(false); // unanswered: nobody is there to whom it matters
            }
            Question::Record { source, batch, reply } => {
                let refuses = refuses || source.is_retired();
                let recorded = self.record(&source, &batch, refuses)?;
                news = recorded.iter().any(|outcome| matches!(outcome, Recorded::New(_)));
                Box::new(move |committed| {
                    if committed.is_ok() {
                        tell(&source, &batch, &recorded);
                    }
                    answer(reply, recorded)(committed);
                })
            }
            Question::Baseline { source, entries, reply } => {
                if !self.arrivals().baseline(&source.watch, &entries)? {
                    return Ok(false); // unanswered: the scan begins again
                }
                answer(reply, ())
            }
            Question::Scanned { source, scan, reply } => {
                let Some(missing) = self.arrivals().scanned(&source.watch, scan)? else {
                    return Ok(false); // unanswered: the scan begins again
                };
                answer(reply, missing)
            }
            Question::Gone { source, paths, reply } => {
                let retention = self.retention;
                answer(reply, self.arrivals().gone(&source.watch, &paths, retention)?)
            }
            Question::Conclude { endpoint, ends, reply } => {
                news = self.conclude(&endpoint, &ends)?;
                answer(reply, ())
            }
            Question::Release { endpoint, reply } => {
                news = true;
                answer(reply, self.deliveries().release(&endpoint)?)
            }
            Question::Notice { told, reply } => {
                news = !refuses && self.notify(&told)?;
                answer(reply, ())
            }
            Question::Park { endpoint, url, reply } => {
                answer(reply, self.deliveries().park(&endpoint, url)?)
            }
            Question::Treat { remedy, filter, after, reply } => {
                news = true;
                answer(reply, self.treat(remedy, &filter, after)?)
            }
            Question::Resume { endpoint, reply } => {
                news = true;
                answer(reply, self.deliveries().resume(&endpoint)?)
            }
            _ => return Ok(false),
        });
        Ok(news)
    }

    fn record(
        &mut self,
        source: &Source,
        batch: &[Settled],
        refuses: bool,
    ) -> Result<Vec<Recorded>, StoreError> {
        if refuses || is_short(&self.db, &self.configured.dir)? {
            return Ok(vec![Recorded::NoRoom; batch.len()]);
        }
        let (now, room) = (clock::wall_micros(), self.configured.room);
        let mut arrivals = Arrivals::new(&self.db, &mut self.tables);
        let record = |settled| arrivals.record(source, settled, &self.origin, room, now);
        batch.iter().map(record).collect()
    }

    fn treat(
        &mut self,
        remedy: Remedy,
        filter: &Filter,
        after: Place,
    ) -> Result<Treated, StoreError> {
        let Self { db, tables, configured, .. } = self;
        Deliveries::new(db, tables).treat(remedy, (filter, after), &configured.endpoints)
    }

    /// How attempts ended. On a disk that is nearly full what they said is not kept: the room is for what is
    /// delivered.
    fn conclude(
        &mut self,
        endpoint: &Name,
        ends: &[(i64, Conclusion)],
    ) -> Result<bool, StoreError> {
        let Self { db, tables, configured, .. } = self;
        let (now, mut news, mut short) = (clock::wall(), false, None);
        let mut deliveries = Deliveries::new(db, tables);
        for (seq, end) in ends {
            news |= deliveries.conclude(endpoint, *seq, end, now)?;
            let Some(refusal) = end.refusal() else { continue };
            let is_short = match short {
                Some(known) => known,
                None => *short.insert(is_short(db, &configured.dir)?),
            };
            if !is_short {
                deliveries.log(endpoint, *seq, refusal, now, configured.attempts_max)?;
            }
        }
        Ok(news)
    }

    fn notify(&mut self, told: &Told) -> Result<bool, StoreError> {
        let Some(to) = &self.configured.operations else { return Ok(false) };
        let mut deliveries = Deliveries::new(&self.db, &mut self.tables);
        deliveries.notify(to, told, &self.origin, clock::wall_micros())
    }

    /// Now and then: follows a clock that was set back, forgets what may be, gives free pages back, copies.
    pub(super) fn keep_house(&mut self) -> Result<(), StoreError> {
        let (mono, wall) = (clock::mono(), clock::wall());
        if let Some(step) = self.steps.set_back(mono, wall) {
            self.deliveries().set_back(step)?;
            warn!(step_s = step.as_secs(), "the clock was set back: retries keep their distance");
        }
        self.steps = StepWatch::new(mono, wall);
        self.copying.look(&self.db)?;
        let is_due = mono >= self.next_retention || self.tables.dead > self.configured.dead_max;
        if is_due && !self.forgetting.is_under_way() {
            self.next_retention = mono + retention::INTERVAL;
            self.retention = self.retention.advance(wall);
            let sql = "INSERT OR REPLACE INTO meta (key, value) VALUES ('retention_ms', ?1)";
            self.db.execute(sql, [self.retention.now_ms])?;
            self.forgetting.begin();
        }
        self.forget_on().map(drop)
    }

    /// What is done while nobody asks, a page of it; true while there is more.
    pub(super) fn go_on(&mut self) -> Result<bool, StoreError> {
        Ok(self.copy_on()? | self.forget_on()?)
    }

    pub(super) fn arrivals(&mut self) -> Arrivals<'_> {
        Arrivals::new(&self.db, &mut self.tables)
    }

    pub(super) fn deliveries(&mut self) -> Deliveries<'_> {
        Deliveries::new(&self.db, &mut self.tables)
    }
}

/// New events leave the last of the disk alone: what is delivered must be stored, and the log be emptied into
/// the database, or nothing would ever make room again. Free pages of the database are room, too.
fn is_short(db: &Connection, dir: &Path) -> Result<bool, StoreError> {
    let Ok(space) = stat::space(dir) else { return Ok(false) };
    let reserve = DISK_RESERVE_MAX.min(space.total / 4);
    Ok(space.free < reserve && space.free + store::free_bytes(db)? < reserve)
}

/// Said once it is true.
fn tell(source: &Source, batch: &[Settled], recorded: &[Recorded]) {
    for (settled, outcome) in batch.iter().zip(recorded) {
        if let Recorded::New(event) = outcome {
            debug!(watch = %source.watch, path = %settled.path, %event, "committed");
        }
    }
}
