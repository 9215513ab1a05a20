//! What is in the journal, counted for whoever looks from outside.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::{outbox::PARKED, store::StoreError, tables::Tables};
use crate::{arrival::Name, clock::WallMs, vitals::Backlog};

/// The event that has been waiting for an endpoint for longest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Oldest {
    seq: i64,
    committed: WallMs,
}

/// What the counts need beside those of [`Tables`].
#[derive(Debug, Default)]
pub(crate) struct Census {
    /// Dead letters by endpoint row and class.
    dead: BTreeMap<(i64, String), u64>,
    parked: BTreeMap<i64, u64>,
    /// Per endpoint row. Events come in order, so the next one is looked for behind this.
    oldest: BTreeMap<i64, Oldest>,
}

impl Census {
    /// Counts from scratch.
    pub(crate) fn take(db: &Connection) -> Result<Self, StoreError> {
        let sql = "SELECT endpoint, coalesce(class, ''), count(*) FROM delivery WHERE state = 1 GROUP BY 1, 2";
        let mut dead = db.prepare(sql)?;
        let dead = dead.query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))?;
        let mut find = db.prepare("SELECT endpoint FROM delivery WHERE state = ?1")?;
        let (mut rows, mut parked) = (find.query([PARKED])?, BTreeMap::new());
        while let Some(row) = rows.next()? {
            *parked.entry(row.get(0)?).or_default() += 1;
        }
        Ok(Self { dead: dead.collect::<Result<_, _>>()?, parked, oldest: BTreeMap::new() })
    }

    /// One more dead letter.
    pub(crate) fn died(&mut self, endpoint: i64, class: &str) {
        *self.dead.entry((endpoint, class.to_owned())).or_default() += 1;
    }

    /// One less.
    pub(crate) fn buried(&mut self, endpoint: i64, class: &str) {
        if let Some(count) = self.dead.get_mut(&(endpoint, class.to_owned())) {
            *count = count.saturating_sub(1);
        }
    }

    /// A dead letter waits again: it may be older than what waits.
    pub(crate) fn revived(&mut self, endpoint: i64) {
        self.oldest.remove(&endpoint);
    }

    /// One less is parked.
    pub(crate) fn unparked(&mut self, endpoint: i64) {
        if let Some(count) = self.parked.get_mut(&endpoint) {
            *count = count.saturating_sub(1);
        }
    }

    fn oldest(&mut self, db: &Connection, endpoint: i64) -> Result<Option<WallMs>, StoreError> {
        let from = self.oldest.get(&endpoint).map_or(0, |oldest| oldest.seq);
        let sql = "SELECT d.seq, e.committed_ms FROM delivery d JOIN event e ON e.seq = d.seq
                   WHERE d.endpoint = ?1 AND d.state = 0 AND d.seq >= ?2 ORDER BY d.seq LIMIT 1";
        let mut found = db.prepare_cached(sql)?;
        let found = found.query_row(params![endpoint, from], |row| {
            Ok(Oldest { seq: row.get(0)?, committed: WallMs(row.get(1)?) })
        });
        let Some(oldest) = found.optional()? else { return Ok(None) };
        self.oldest.insert(endpoint, oldest);
        Ok(Some(oldest.committed))
    }
}

impl Tables {
    /// What waits, is dead or parked, for every endpoint that has a row.
    pub(crate) fn backlogs(
        &mut self,
        db: &Connection,
    ) -> Result<BTreeMap<Name, Backlog>, StoreError> {
        let mut backlogs = BTreeMap::new();
        for (name, id) in self.endpoints() {
            let waits = self.backlog(id);
            let is_empty = waits.events == 0;
            let oldest = if is_empty { None } else { self.census.oldest(db, id)? };
            let dead = self.census.dead.range((id, String::new())..(id + 1, String::new()));
            let dead = dead.filter(|(_, count)| **count > 0);
            let backlog = Backlog {
                waiting: waits.events,
                bytes: waits.bytes,
                oldest,
                dead: dead.map(|((_, class), count)| (class.clone(), *count)).collect(),
                parked: self.census.parked.get(&id).copied().unwrap_or_default(),
            };
            backlogs.insert(name, backlog);
        }
        Ok(backlogs)
    }
}
