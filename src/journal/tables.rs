//! What the journal keeps in memory beside the database: row ids of names, and counts. Loaded at open,
//! again after a rollback.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::store::StoreError;
use crate::arrival::Name;

/// Sequence numbers are reserved in blocks, so that none is given twice and not every commit writes one.
const SEQ_BLOCK: i64 = 4096;

/// Row ids and counts.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    watches: HashMap<Name, i64>,
    endpoints: HashMap<Name, i64>,
    names: HashMap<i64, Name>,
    /// Deliveries that wait, by endpoint row.
    pub(crate) waiting: HashMap<i64, u64>,
    /// Events with at least one delivery that waits.
    pub(crate) events: u64,
    /// Bytes of their bodies.
    pub(crate) bytes: u64,
    /// Deliveries that are dead.
    pub(crate) dead: u64,
    next_seq: i64,
    seq_end: i64,
}

impl Tables {
    pub(crate) fn load(db: &Connection) -> Result<Self, StoreError> {
        let mut tables = Self::default();
        let mut names = db.prepare("SELECT id, name FROM watch")?;
        for row in
            names.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?
        {
            let (id, name) = row?;
            let name = Name::parse(&name)
                .ok_or_else(|| StoreError::Damaged(format!("watch name {name:?}")))?;
            tables.names.insert(id, name.clone());
            tables.watches.insert(name, id);
        }
        let mut names = db.prepare("SELECT id, name FROM endpoint")?;
        for row in
            names.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?
        {
            let (id, name) = row?;
            let name = Name::parse(&name)
                .ok_or_else(|| StoreError::Damaged(format!("endpoint name {name:?}")))?;
            tables.endpoints.insert(name, id);
        }
        tables.recount(db)?;
        tables.next_seq = read_seq_end(db)?;
        tables.seq_end = tables.next_seq;
        Ok(tables)
    }

    /// Counts again what commits count along.
    pub(crate) fn recount(&mut self, db: &Connection) -> Result<(), StoreError> {
        let mut waiting = db
            .prepare("SELECT endpoint, count(*) FROM delivery WHERE state = 0 GROUP BY endpoint")?;
        let rows = waiting.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        self.waiting = rows.collect::<Result<_, _>>()?;
        (self.events, self.bytes) = db.query_row(
            "SELECT count(*), coalesce(sum(length(body)), 0) FROM event
             WHERE EXISTS (SELECT 1 FROM delivery WHERE delivery.seq = event.seq AND state = 0)",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        self.dead =
            db.query_row("SELECT count(*) FROM delivery WHERE state = 1", [], |row| row.get(0))?;
        Ok(())
    }

    /// The row of a watch, made when it is new.
    pub(crate) fn watch(&mut self, db: &Connection, name: &Name) -> Result<i64, StoreError> {
        if let Some(id) = self.watches.get(name) {
            return Ok(*id);
        }
        db.execute(
            "INSERT OR IGNORE INTO watch (name, first_scan) VALUES (?1, 0)",
            [name.as_str()],
        )?;
        let id = db
            .query_row("SELECT id FROM watch WHERE name = ?1", [name.as_str()], |row| row.get(0))?;
        self.watches.insert(name.clone(), id);
        self.names.insert(id, name.clone());
        Ok(id)
    }

    /// The name of a watch row.
    pub(crate) fn watch_name(&self, id: i64) -> Result<Name, StoreError> {
        self.names.get(&id).cloned().ok_or_else(|| StoreError::Damaged(format!("no watch {id}")))
    }

    /// The row of an endpoint, made when it is new.
    pub(crate) fn endpoint(&mut self, db: &Connection, name: &Name) -> Result<i64, StoreError> {
        if let Some(id) = self.endpoints.get(name) {
            return Ok(*id);
        }
        db.execute("INSERT OR IGNORE INTO endpoint (name) VALUES (?1)", [name.as_str()])?;
        let id =
            db.query_row("SELECT id FROM endpoint WHERE name = ?1", [name.as_str()], |row| {
                row.get(0)
            })?;
        self.endpoints.insert(name.clone(), id);
        Ok(id)
    }

    /// Endpoints that the journal knows, and their rows.
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = (&Name, i64)> {
        self.endpoints.iter().map(|(name, id)| (name, *id))
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

    /// Forgets what was learnt in a transaction that was rolled back: names and the reserved block.
    pub(crate) fn reload(&mut self, db: &Connection) -> Result<(), StoreError> {
        let next_seq = self.next_seq;
        *self = Self::load(db)?;
        self.next_seq = self.next_seq.max(next_seq);
        self.seq_end = self.next_seq;
        Ok(())
    }
}

fn read_seq_end(db: &Connection) -> Result<i64, StoreError> {
    let sql = "SELECT value FROM meta WHERE key = 'seq_end'";
    Ok(db.query_row(sql, [], |row| row.get(0)).optional()?.unwrap_or(0))
}
