//! The first half of the journal: what was seen, and what becomes an arrival of it.

use rusqlite::{Connection, OptionalExtension, params};

use super::{entry::Entry, retention::RetentionClock, store::StoreError, tables::Tables};
use crate::{
    arrival::{
        EventId, FirstScan, Found, Name, Present, Recall, Recorded, RelPath, Scanned, Settled,
        Version,
    },
    config::checked::State,
};

/// Remembered paths given out at once.
const PAGE: usize = 512;

/// Values of `watch.first_scan`.
const PENDING: i64 = 0;
const DONE: i64 = 1;
const PENDING_AFTER_LOSS: i64 = 2;

/// What every body of this daemon says.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) instance: String,
    pub(crate) host: String,
}

/// Which watch, where its root is, and who is told.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) watch: Name,
    pub(crate) root: Vec<u8>,
    pub(crate) endpoints: Vec<Name>,
}

/// One row of `seen`.
struct Seen {
    version: Version,
    generation: u64,
    event: Option<EventId>,
    last_seq: i64,
    is_gone: bool,
}

impl Seen {
    /// A file that was there all along may have a new ctime; one that was gone must match exactly.
    fn is_at(&self, version: &Version) -> bool {
        if self.is_gone { self.version == *version } else { self.version.still_is(version) }
    }
}

/// A transaction's view: the connection, and the counts that it changes.
pub(crate) struct Arrivals<'a> {
    pub(crate) db: &'a Connection,
    pub(crate) tables: &'a mut Tables,
}

impl Arrivals<'_> {
    /// Makes an arrival of `settled`, unless this version was announced before or there is no room.
    pub(crate) fn record(
        &mut self,
        source: &Source,
        settled: &Settled,
        origin: &Origin,
        limits: &State,
        committed_micros: i64,
    ) -> Result<Recorded, StoreError> {
        let watch = self.tables.watch(self.db, &source.watch)?;
        let seen = self.seen(watch, &settled.path)?;
        if let Some(seen) = seen.as_ref().filter(|seen| seen.is_at(&settled.version)) {
            if seen.is_gone {
                self.revive(watch, &settled.path)?;
            }
            return Ok(Recorded::AlreadySeen);
        }
        if self.tables.events >= limits.outbox_events_max
            || self.tables.bytes >= limits.outbox_bytes_max
        {
            return Ok(Recorded::NoRoom);
        }
        let id = EventId::of(&origin.instance, &source.watch, &settled.path, &settled.version);
        let generation = seen.as_ref().map_or(1, |seen| seen.generation + 1);
        let body = Entry {
            id,
            instance: &origin.instance,
            host: &origin.host,
            watch: &source.watch,
            root: &source.root,
            path: &settled.path,
            version: &settled.version,
            generation,
            previous: seen.as_ref().and_then(|seen| seen.event),
            initial: settled.found == Found::InitialScan,
            committed_micros,
        }
        .body();
        let seq = self.insert_event(watch, &settled.path, id, &body, committed_micros)?;
        for endpoint in &source.endpoints {
            self.insert_delivery(seq, endpoint, seen.as_ref())?;
        }
        self.remember(watch, &settled.path, &settled.version, generation, &id.0, seq)?;
        Ok(Recorded::New(id))
    }

    fn seen(&self, watch: i64, path: &RelPath) -> Result<Option<Seen>, StoreError> {
        let sql = "SELECT version, generation, event, last_seq, gone_since IS NOT NULL
                   FROM seen WHERE watch = ?1 AND path = ?2";
        let row = self.db.prepare_cached(sql)?.query_row(params![watch, path.as_bytes()], |row| {
            Ok((
                row.get::<_, Vec<u8>>(0)?,
                row.get(1)?,
                row.get::<_, Vec<u8>>(2)?,
                row.get(3)?,
                row.get(4)?,
            ))
        });
        let Some((version, generation, event, last_seq, is_gone)) = row.optional()? else {
            return Ok(None);
        };
        let version = Version::from_bytes(&version).ok_or_else(|| {
            StoreError::Damaged(format!("version of {path}: {} bytes", version.len()))
        })?;
        let event = event.first_chunk::<16>().map(|id| EventId(*id));
        Ok(Some(Seen { version, generation, event, last_seq, is_gone }))
    }

    fn insert_event(
        &mut self,
        watch: i64,
        path: &RelPath,
        id: EventId,
        body: &[u8],
        committed_micros: i64,
    ) -> Result<i64, StoreError> {
        let seq = self.tables.next_seq(self.db)?;
        let sql = "INSERT INTO event (seq, id, watch, path, committed_ms, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let row = params![seq, id.0, watch, path.as_bytes(), committed_micros / 1000, body];
        self.db.prepare_cached(sql)?.execute(row)?;
        self.tables.events += 1;
        self.tables.bytes += body.len() as u64;
        Ok(seq)
    }

    /// An earlier event of the same path that still waits for this endpoint goes first (P5).
    fn insert_delivery(
        &mut self,
        seq: i64,
        endpoint: &Name,
        seen: Option<&Seen>,
    ) -> Result<(), StoreError> {
        let endpoint = self.tables.endpoint(self.db, endpoint)?;
        let mut behind = None;
        if let Some(seen) = seen {
            let sql = "SELECT seq FROM delivery WHERE seq = ?1 AND endpoint = ?2 AND state = 0";
            let mut waiting = self.db.prepare_cached(sql)?;
            behind = waiting
                .query_row(params![seen.last_seq, endpoint], |row| row.get::<_, i64>(0))
                .optional()?;
        }
        let sql = "INSERT INTO delivery (seq, endpoint, state, behind, next_ms, attempts) VALUES (?1, ?2, 0, ?3, 0, 0)";
        self.db.prepare_cached(sql)?.execute(params![seq, endpoint, behind])?;
        *self.tables.waiting.entry(endpoint).or_default() += 1;
        Ok(())
    }

    fn remember(
        &self,
        watch: i64,
        path: &RelPath,
        version: &Version,
        generation: u64,
        event: &[u8],
        seq: i64,
    ) -> Result<(), StoreError> {
        let sql = "INSERT OR REPLACE INTO seen (watch, path, version, generation, event, last_seq, gone_since)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, NULL)";
        let row = params![watch, path.as_bytes(), version.to_bytes(), generation, event, seq];
        self.db.prepare_cached(sql)?.execute(row)?;
        Ok(())
    }

    fn revive(&self, watch: i64, path: &RelPath) -> Result<(), StoreError> {
        let sql = "UPDATE seen SET gone_since = NULL WHERE watch = ?1 AND path = ?2";
        self.db.prepare_cached(sql)?.execute(params![watch, path.as_bytes()])?;
        Ok(())
    }

    /// Remembers `entries` without announcing them.
    pub(crate) fn baseline(&mut self, watch: &Name, entries: &[Present]) -> Result<(), StoreError> {
        let watch = self.tables.watch(self.db, watch)?;
        for entry in entries {
            if self.seen(watch, &entry.path)?.is_none() {
                self.remember(watch, &entry.path, &entry.version, 0, &[], 0)?;
            }
        }
        Ok(())
    }

    /// Which of `entries` are news.
    pub(crate) fn recall(
        &mut self,
        watch: &Name,
        entries: &[Present],
    ) -> Result<Vec<Recall>, StoreError> {
        let watch = self.tables.watch(self.db, watch)?;
        let mut answers = Vec::with_capacity(entries.len());
        for entry in entries {
            // One that came back counts as news: settling it revives the row, or makes a new arrival.
            let known = self
                .seen(watch, &entry.path)?
                .is_some_and(|s| !s.is_gone && s.is_at(&entry.version));
            answers.push(if known { Recall::Known } else { Recall::Unknown });
        }
        Ok(answers)
    }

    /// How the first complete scan of this watch is to be treated, if it has not ended yet.
    pub(crate) fn first_scan(&mut self, watch: &Name) -> Result<Option<FirstScan>, StoreError> {
        let watch = self.tables.watch(self.db, watch)?;
        let sql = "SELECT first_scan FROM watch WHERE id = ?1";
        let state: i64 = self.db.prepare_cached(sql)?.query_row([watch], |row| row.get(0))?;
        Ok(match state {
            DONE => None,
            PENDING_AFTER_LOSS => Some(FirstScan::AfterLoss),
            _ => Some(FirstScan::AsConfigured),
        })
    }

    /// Whether this database replaces one that was lost. If so, nothing that `watches` find next may become
    /// a silent baseline; a watch that is configured later is not meant.
    pub(crate) fn settle_loss(&mut self, watches: &[Name]) -> Result<bool, StoreError> {
        let sql = "SELECT count(*) > 0 FROM meta WHERE key = 'lost'";
        if !self.db.query_row(sql, [], |row| row.get::<_, bool>(0))? {
            return Ok(false);
        }
        self.db.execute_batch("BEGIN IMMEDIATE")?;
        let marked = self.mark_lost(watches);
        self.db.execute_batch(if marked.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
        marked.map(|()| true)
    }

    fn mark_lost(&mut self, watches: &[Name]) -> Result<(), StoreError> {
        for watch in watches {
            let id = self.tables.watch(self.db, watch)?;
            let sql = "UPDATE watch SET first_scan = ?2 WHERE id = ?1 AND first_scan = ?3";
            self.db.execute(sql, params![id, PENDING_AFTER_LOSS, PENDING])?;
        }
        self.db.execute("DELETE FROM meta WHERE key = 'lost'", [])?;
        Ok(())
    }

    /// A complete scan has ended. True when more is remembered than it met, on the file system that it was
    /// remembered of: another one is no reason to forget anything.
    pub(crate) fn scanned(&mut self, watch: &Name, scan: Scanned) -> Result<bool, StoreError> {
        let watch = self.tables.watch(self.db, watch)?;
        let filesystem = scan.filesystem.cast_signed();
        let sql = "SELECT first_scan, filesystem FROM watch WHERE id = ?1";
        let (state, before): (i64, Option<i64>) = self
            .db
            .prepare_cached(sql)?
            .query_row([watch], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if state != DONE || before != Some(filesystem) {
            let sql = "UPDATE watch SET first_scan = ?2, filesystem = ?3 WHERE id = ?1";
            self.db.execute(sql, params![watch, DONE, filesystem])?;
        }
        let sql = "SELECT count(*) FROM seen WHERE watch = ?1 AND gone_since IS NULL";
        let remembered: u64 = self.db.prepare_cached(sql)?.query_row([watch], |row| row.get(0))?;
        Ok(before == Some(filesystem) && remembered > scan.known)
    }

    /// A page of remembered paths after `after`.
    pub(crate) fn remembered(
        &mut self,
        watch: &Name,
        after: &RelPath,
    ) -> Result<Vec<RelPath>, StoreError> {
        let watch = self.tables.watch(self.db, watch)?;
        let sql = "SELECT path FROM seen WHERE watch = ?1 AND path > ?2 AND gone_since IS NULL
                   ORDER BY path LIMIT ?3";
        let mut page = self.db.prepare_cached(sql)?;
        let rows =
            page.query_map(params![watch, after.as_bytes(), PAGE], |row| row.get::<_, Vec<u8>>(0))?;
        Ok(rows.map(|bytes| bytes.map(|b| RelPath::from_bytes(&b))).collect::<Result<_, _>>()?)
    }

    /// These files are gone.
    pub(crate) fn gone(
        &mut self,
        watch: &Name,
        paths: &[RelPath],
        clock: RetentionClock,
    ) -> Result<(), StoreError> {
        let watch = self.tables.watch(self.db, watch)?;
        let sql =
            "UPDATE seen SET gone_since = ?3 WHERE watch = ?1 AND path = ?2 AND gone_since IS NULL";
        let mut bury = self.db.prepare_cached(sql)?;
        for path in paths {
            bury.execute(params![watch, path.as_bytes(), clock.now_ms])?;
        }
        Ok(())
    }
}
