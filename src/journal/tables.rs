//! What the journal keeps in memory beside the database: row ids of names, and counts. Loaded at open,
//! again after a rollback.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use rusqlite::{Connection, OptionalExtension, params};

use super::{attempts, census::Census, store::StoreError};
use crate::arrival::Name;

/// Sequence numbers are reserved in blocks, so that none is given twice and not every commit writes one.
const SEQ_BLOCK: i64 = 4096;

/// What outlives these tables: another set is read when the configuration changes, or the database is opened anew.
#[derive(Clone, Debug, Default)]
pub(crate) struct Carried {
    /// The highest sequence number that was given out. Lanes may still hold events of a database that was
    /// replaced.
    pub(crate) seq_floor: i64,
    /// First scans of this run that recorded a baseline.
    pub(crate) baselines: HashMap<Name, Baseline>,
    /// How often operators have discarded events: lanes compare it with what they have heard of.
    pub(crate) discards: u64,
    /// Endpoints to which an operator sends events again, until their lanes have heard of it.
    pub(crate) replayed: HashSet<Name>,
}

/// Row ids and counts.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    watches: HashMap<Name, i64>,
    endpoints: HashMap<Name, i64>,
    names: HashMap<i64, Name>,
    backlogs: HashMap<i64, Backlog>,
    /// Notices that wait, by endpoint row; they are in none of the other counts.
    notices: HashMap<i64, u64>,
    /// Events with at least one delivery that waits.
    pub(crate) events: u64,
    /// Deliveries that are dead.
    pub(crate) dead: u64,
    /// Attempts in the log, at most: see [`attempts::keep_to`].
    pub(crate) attempts: u64,
    /// Files that are remembered and not gone, by watch row; counted when first asked for.
    live: HashMap<i64, u64>,
    /// See [`Carried`].
    pub(crate) replayed: HashSet<i64>,
    pub(crate) discards: u64,
    baselines: HashMap<Name, Baseline>,
    /// Counts that nobody decides by.
    pub(crate) census: Census,
    next_seq: i64,
    seq_end: i64,
}

/// What waits for one endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Backlog {
    pub(crate) events: u64,
    /// Of their bodies.
    pub(crate) bytes: u64,
}

/// A first scan that records silently.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Baseline {
    UnderWay,
    Ended(Instant),
}

/// Hints and reports take their time: what is first seen so much later may still have landed before.
const BASELINE_SLACK: Duration = Duration::from_secs(5);

impl Tables {
    /// Reads the names and counts. `carried` is from the tables before these.
    pub(crate) fn load(db: &Connection, carried: Carried) -> Result<Self, StoreError> {
        let Carried { seq_floor, baselines, discards, replayed } = carried;
        let watches = read_names(db, "SELECT id, name FROM watch")?;
        let names = watches.iter().map(|(name, id)| (*id, name.clone())).collect();
        let endpoints = read_names(db, "SELECT id, name FROM endpoint")?;
        let next_seq = read_seq_end(db)?.max(seq_floor);
        let replayed = replayed.iter().filter_map(|name| endpoints.get(name).copied()).collect();
        let mut tables = Self {
            watches,
            endpoints,
            names,
            baselines,
            discards,
            replayed,
            next_seq,
            seq_end: next_seq,
            ..Self::default()
        };
        tables.recount(db)?;
        Ok(tables)
    }

    /// What the tables after these need of them.
    pub(crate) fn carried(&self) -> Carried {
        let is_replayed = |(_, id): &(&Name, &i64)| self.replayed.contains(*id);
        let replayed = self.endpoints.iter().filter(is_replayed);
        Carried {
            seq_floor: self.next_seq,
            baselines: self.baselines.clone(),
            discards: self.discards,
            replayed: replayed.map(|(name, _)| name.clone()).collect(),
        }
    }

    /// Counts again what commits count along: after a rollback.
    pub(crate) fn recount(&mut self, db: &Connection) -> Result<(), StoreError> {
        self.recount_waiting(db)?;
        let sql = "SELECT count(*) FROM delivery WHERE state = 1";
        self.dead = db.query_row(sql, [], |row| row.get(0))?;
        self.census = Census::take(db)?;
        self.attempts = attempts::count(db)?;
        self.live.clear();
        self.seq_end = self.next_seq; // the reserved block may have been rolled back
        Ok(())
    }

    /// Row by row, in the order of the table: to group them SQLite would sort them in memory, however many there are.
    fn recount_waiting(&mut self, db: &Connection) -> Result<(), StoreError> {
        (self.backlogs, self.notices, self.events) = (HashMap::new(), HashMap::new(), 0);
        let sql = "SELECT d.seq, d.endpoint, length(e.body), substr(e.path, 1, 1) = x'2f'
                   FROM delivery d JOIN event e ON e.seq = d.seq WHERE d.state = 0 ORDER BY d.seq";
        let mut waiting = db.prepare(sql)?;
        let (mut rows, mut last) = (waiting.query([])?, None);
        while let Some(row) = rows.next()? {
            let (seq, endpoint): (i64, i64) = (row.get(0)?, row.get(1)?);
            if row.get(3)? {
                self.notice_waits(endpoint);
                continue;
            }
            self.waits(endpoint, row.get(2)?);
            self.events += u64::from(last.replace(seq) != Some(seq));
        }
        Ok(())
    }

    /// The row of a configured watch.
    pub(crate) fn watch(&self, name: &Name) -> Result<i64, StoreError> {
        let id = self.watches.get(name).copied();
        id.ok_or_else(|| StoreError::Reopen(format!("no row for the watch {name}")))
    }

    /// The name of a watch row.
    pub(crate) fn watch_name(&self, id: i64) -> Result<Name, StoreError> {
        self.names.get(&id).cloned().ok_or_else(|| StoreError::Damaged(format!("no watch {id}")))
    }

    /// The row of a configured endpoint.
    pub(crate) fn endpoint(&self, name: &Name) -> Result<i64, StoreError> {
        let id = self.endpoints.get(name).copied();
        id.ok_or_else(|| StoreError::Reopen(format!("no row for the endpoint {name}")))
    }

    /// Every endpoint that has a row, configured or not.
    pub(crate) fn endpoints(&self) -> Vec<(Name, i64)> {
        self.endpoints.iter().map(|(name, id)| (name.clone(), *id)).collect()
    }

    /// One more dead letter.
    pub(crate) fn died(&mut self, endpoint: i64, class: &str) {
        self.dead += 1;
        self.census.died(endpoint, class);
    }

    /// One less.
    pub(crate) fn buried(&mut self, endpoint: i64, class: &str) {
        self.dead = self.dead.saturating_sub(1);
        self.census.buried(endpoint, class);
    }

    /// What waits for an endpoint.
    pub(crate) fn backlog(&self, endpoint: i64) -> Backlog {
        self.backlogs.get(&endpoint).copied().unwrap_or_default()
    }

    /// What waits for an endpoint, notices included.
    pub(crate) fn waiting(&self, endpoint: i64) -> u64 {
        self.backlog(endpoint).events + self.notices.get(&endpoint).copied().unwrap_or_default()
    }

    /// One more notice waits for an endpoint.
    pub(crate) fn notice_waits(&mut self, endpoint: i64) {
        *self.notices.entry(endpoint).or_default() += 1;
    }

    /// One notice less does.
    pub(crate) fn notice_ended(&mut self, endpoint: i64) {
        let waiting = self.notices.entry(endpoint).or_default();
        *waiting = waiting.saturating_sub(1);
    }

    /// One more event waits for an endpoint.
    pub(crate) fn waits(&mut self, endpoint: i64, bytes: u64) {
        let backlog = self.backlogs.entry(endpoint).or_default();
        backlog.events += 1;
        backlog.bytes += bytes;
    }

    /// One event less does; `last` when it waits for no other endpoint either.
    pub(crate) fn ended(&mut self, endpoint: i64, bytes: u64, last: bool) {
        let backlog = self.backlogs.entry(endpoint).or_default();
        backlog.events = backlog.events.saturating_sub(1);
        backlog.bytes = backlog.bytes.saturating_sub(bytes);
        self.events = self.events.saturating_sub(u64::from(last));
    }

    /// A dead letter waits for its endpoint again; `first` when its event waits for no other.
    pub(crate) fn revived(&mut self, endpoint: i64, bytes: u64, first: bool) {
        self.census.revived(endpoint);
        self.events += u64::from(first);
        self.waits(endpoint, bytes);
        self.replayed.insert(endpoint);
    }

    /// How many files of a watch are remembered and not gone.
    pub(crate) fn live(&mut self, db: &Connection, watch: i64) -> Result<u64, StoreError> {
        if let Some(live) = self.live.get(&watch) {
            return Ok(*live);
        }
        let sql = "SELECT count(*) FROM seen WHERE watch = ?1 AND gone_since IS NULL";
        let live = db.query_row(sql, [watch], |row| row.get(0))?;
        self.live.insert(watch, live);
        Ok(live)
    }

    /// `more` files are remembered (or, negative, gone).
    pub(crate) fn change_live(&mut self, watch: i64, more: i64) {
        if let Some(live) = self.live.get_mut(&watch) {
            *live = live.saturating_add_signed(more);
        }
    }

    /// A first scan has begun to record silently.
    pub(crate) fn baseline_begins(&mut self, watch: &Name) {
        self.baselines.insert(watch.clone(), Baseline::UnderWay);
    }

    /// It has ended.
    pub(crate) fn baseline_ends(&mut self, watch: &Name, now: Instant) {
        if let Some(baseline @ Baseline::UnderWay) = self.baselines.get_mut(watch) {
            *baseline = Baseline::Ended(now);
        }
    }

    /// Whether what was first seen at `since` may have landed while the baseline was being recorded.
    pub(crate) fn landed_during_baseline(&self, watch: &Name, since: Instant) -> bool {
        match self.baselines.get(watch) {
            Some(Baseline::UnderWay) => true,
            Some(Baseline::Ended(end)) => since <= *end + BASELINE_SLACK,
            None => false,
        }
    }

    /// A sequence number that no event has had.
    pub(crate) fn next_seq(&mut self, db: &Connection) -> Result<i64, StoreError> {
        if self.next_seq >= self.seq_end {
            self.seq_end = self.next_seq + SEQ_BLOCK;
            let sql = "INSERT OR REPLACE INTO meta (key, value) VALUES ('seq_end', ?1)";
            db.prepare_cached(sql)?.execute(params![self.seq_end])?;
        }
        self.next_seq += 1;
        Ok(self.next_seq)
    }
}

fn read_names(db: &Connection, sql: &str) -> Result<HashMap<Name, i64>, StoreError> {
    let mut rows = db.prepare(sql)?;
    let rows = rows.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
    rows.map(|row| {
        let (id, text) = row?;
        let name = Name::parse(&text);
        Ok((name.ok_or_else(|| StoreError::Damaged(format!("the name {text:?}")))?, id))
    })
    .collect()
}

fn read_seq_end(db: &Connection) -> Result<i64, StoreError> {
    let sql = "SELECT value FROM meta WHERE key = 'seq_end'";
    Ok(db.query_row(sql, [], |row| row.get(0)).optional()?.unwrap_or(0))
}
