//! The first half of the journal: what was seen, and what becomes an arrival of it.

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    configured::Room, entry::Entry, retention::RetentionClock, source::Source,
    statements::Statements, store::StoreError, tables::Tables,
};
use crate::{
    arrival::{
        EventId, FirstScan, Found, Name, Present, Recall, Recorded, RelPath, Scanned, Settled,
        Version,
    },
    clock,
};

/// Remembered paths given out at once.
const PAGE: usize = 512;

/// Values of `watch.first_scan`; 0 is pending.
pub(crate) const DONE: i64 = 1;
pub(crate) const PENDING_AFTER_LOSS: i64 = 2;

/// What every body of this daemon says.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) instance: String,
    pub(crate) host: String,
}

/// One row of `seen`.
struct Seen {
    version: Version,
    generation: u64,
    /// `None`: recorded silently, at the first scan.
    event: Option<EventId>,
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
    db: &'a Connection,
    tables: &'a mut Tables,
    statements: Statements<'a>,
}

impl<'a> Arrivals<'a> {
    /// For one batch.
    pub(crate) fn new(db: &'a Connection, tables: &'a mut Tables) -> Self {
        Self { db, tables, statements: Statements::new(db) }
    }

    /// Makes an arrival of `settled`, unless this version was announced before or there is no room.
    pub(crate) fn record(
        &mut self,
        source: &Source,
        settled: &Settled,
        origin: &Origin,
        room: Room,
        committed_micros: i64,
    ) -> Result<Recorded, StoreError> {
        let watch = self.tables.watch(&source.watch)?;
        let seen = self.seen(watch, &settled.path)?;
        if let Some(seen) = seen.as_ref().filter(|seen| seen.is_at(&settled.version))
            && (seen.event.is_some() || !self.landed_during_baseline(source, settled))
        {
            if seen.is_gone {
                self.revive(watch, &settled.path)?;
            }
            return Ok(Recorded::AlreadySeen);
        }
        let comes_back = seen.as_ref().is_none_or(|seen| seen.is_gone);
        let id = EventId::of(&origin.instance, &source.watch, &settled.path, &settled.version);
        let generation = seen.as_ref().map_or(1, |seen| seen.generation + 1);
        if seen.is_some() && self.is_waiting(watch, &settled.path, id)? {
            // Back at a version that is still on its way: the same arrival.
            self.remember(watch, &settled.path, &settled.version, generation, &id.0)?;
            self.tables.change_live(watch, i64::from(comes_back));
            return Ok(Recorded::AlreadySeen);
        }
        if !self.has_room(source, room)? {
            return Ok(Recorded::NoRoom);
        }
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
            let behind = match &seen {
                Some(_) => self.unfinished(watch, &settled.path, endpoint)?,
                None => None, // what was never seen has no event
            };
            self.insert_delivery(seq, endpoint, behind, body.len() as u64)?;
        }
        self.remember(watch, &settled.path, &settled.version, generation, &id.0)?;
        self.tables.change_live(watch, i64::from(comes_back));
        Ok(Recorded::New(id))
    }

    /// A first scan that records silently must not swallow what lands while it is under way.
    fn landed_during_baseline(&self, source: &Source, settled: &Settled) -> bool {
        let (watch, since) = (&source.watch, settled.since);
        settled.found == Found::Event && self.tables.landed_during_baseline(watch, since)
    }

    fn has_room(&self, source: &Source, room: Room) -> Result<bool, StoreError> {
        for endpoint in &source.endpoints {
            let backlog = self.tables.backlog(self.tables.endpoint(endpoint)?);
            if backlog.events >= room.events || backlog.bytes >= room.bytes {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn is_waiting(&self, watch: i64, path: &RelPath, id: EventId) -> Result<bool, StoreError> {
        let sql = "SELECT count(*) > 0 FROM event e JOIN delivery d ON d.seq = e.seq
                   WHERE e.watch = ?1 AND e.path = ?2 AND e.id = ?3 AND d.state IN (0, 2)";
        let row = params![watch, path.as_bytes(), id.0];
        Ok(self.db.prepare_cached(sql)?.query_row(row, |row| row.get(0))?)
    }

    fn seen(&mut self, watch: i64, path: &RelPath) -> Result<Option<Seen>, StoreError> {
        let sql = "SELECT version, generation, event, gone_since IS NOT NULL
                   FROM seen WHERE watch = ?1 AND path = ?2";
        let row = self.statements.get(sql)?.query_row(params![watch, path.as_bytes()], |row| {
            let (version, event): (Vec<u8>, Vec<u8>) = (row.get(0)?, row.get(2)?);
            Ok((version, row.get(1)?, event, row.get(3)?))
        });
        let Some((version, generation, event, is_gone)) = row.optional()? else { return Ok(None) };
        let damaged = || StoreError::Damaged(format!("version of {path}: {} bytes", version.len()));
        let version = Version::from_bytes(&version).ok_or_else(damaged)?;
        let event = event.first_chunk::<16>().map(|id| EventId(*id));
        Ok(Some(Seen { version, generation, event, is_gone }))
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
        self.statements.get(sql)?.execute(row)?;
        self.tables.events += 1;
        Ok(seq)
    }

    /// The newest event of this file that has not ended at this endpoint: the next one waits for it (P5).
    /// One that is parked counts, for its endpoint may come back.
    fn unfinished(
        &self,
        watch: i64,
        path: &RelPath,
        endpoint: &Name,
    ) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT max(d.seq) FROM event e JOIN delivery d ON d.seq = e.seq
                   WHERE e.watch = ?1 AND e.path = ?2 AND d.endpoint = ?3 AND d.state IN (0, 2)";
        let row = params![watch, path.as_bytes(), self.tables.endpoint(endpoint)?];
        Ok(self.db.prepare_cached(sql)?.query_row(row, |row| row.get(0))?)
    }

    fn insert_delivery(
        &mut self,
        seq: i64,
        endpoint: &Name,
        behind: Option<i64>,
        bytes: u64,
    ) -> Result<(), StoreError> {
        let endpoint = self.tables.endpoint(endpoint)?;
        let sql = "INSERT INTO delivery (seq, endpoint, state, behind, next_ms, attempts)
                   VALUES (?1, ?2, 0, ?3, 0, 0)";
        self.statements.get(sql)?.execute(params![seq, endpoint, behind])?;
        self.tables.waits(endpoint, bytes);
        Ok(())
    }

    fn remember(
        &mut self,
        watch: i64,
        path: &RelPath,
        version: &Version,
        generation: u64,
        event: &[u8],
    ) -> Result<(), StoreError> {
        let sql =
            "INSERT OR REPLACE INTO seen (watch, path, version, generation, event, gone_since)
                   VALUES (?1, ?2, ?3, ?4, ?5, NULL)";
        let row = params![watch, path.as_bytes(), version.to_bytes(), generation, event];
        self.statements.get(sql)?.execute(row)?;
        Ok(())
    }

    fn revive(&mut self, watch: i64, path: &RelPath) -> Result<(), StoreError> {
        let sql = "UPDATE seen SET gone_since = NULL WHERE watch = ?1 AND path = ?2";
        self.db.prepare_cached(sql)?.execute(params![watch, path.as_bytes()])?;
        self.tables.change_live(watch, 1);
        Ok(())
    }

    /// Remembers `entries` without announcing them. False, and nothing is done, when the first scan has
    /// ended or follows a loss: whoever asks began it with another database.
    pub(crate) fn baseline(
        &mut self,
        watch: &Name,
        entries: &[Present],
    ) -> Result<bool, StoreError> {
        if self.first_scan(watch)? != Some(FirstScan::AsConfigured) {
            return Ok(false);
        }
        self.tables.baseline_begins(watch);
        let watch = self.tables.watch(watch)?;
        for entry in entries {
            if self.seen(watch, &entry.path)?.is_none() {
                self.remember(watch, &entry.path, &entry.version, 0, &[])?;
                self.tables.change_live(watch, 1);
            }
        }
        Ok(true)
    }

    /// Which of `entries` are news.
    pub(crate) fn recall(
        &mut self,
        watch: &Name,
        entries: &[Present],
    ) -> Result<Vec<Recall>, StoreError> {
        let watch = self.tables.watch(watch)?;
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
        let watch = self.tables.watch(watch)?;
        let sql = "SELECT first_scan FROM watch WHERE id = ?1";
        let state: i64 = self.db.prepare_cached(sql)?.query_row([watch], |row| row.get(0))?;
        Ok(match state {
            DONE => None,
            PENDING_AFTER_LOSS => Some(FirstScan::AfterLoss),
            _ => Some(FirstScan::AsConfigured),
        })
    }

    /// A complete scan has ended. `Some(true)` when more is remembered than it met, on the file system that
    /// it was remembered of: another one is no reason to forget anything, and becomes the known one only
    /// when something remembered is on it. `None` when the scan was begun with another database.
    pub(crate) fn scanned(
        &mut self,
        name: &Name,
        scan: Scanned,
    ) -> Result<Option<bool>, StoreError> {
        if self.first_scan(name)? != scan.first {
            return Ok(None);
        }
        let (watch, filesystem) = (self.tables.watch(name)?, scan.filesystem.cast_signed());
        let sql = "SELECT filesystem FROM watch WHERE id = ?1";
        let before: Option<i64> =
            self.db.prepare_cached(sql)?.query_row([watch], |row| row.get(0))?;
        let remembered = self.tables.live(self.db, watch)?;
        let is_same = before == Some(filesystem);
        let adopts = before.is_none() || scan.known > 0 || remembered == 0;
        if scan.first.is_some() || (!is_same && adopts) {
            let sql = "UPDATE watch SET first_scan = ?2, filesystem = ?3 WHERE id = ?1";
            let filesystem = if adopts { Some(filesystem) } else { before };
            self.db.execute(sql, params![watch, DONE, filesystem])?;
        }
        self.tables.baseline_ends(name, clock::mono());
        Ok(Some(is_same && remembered > scan.known))
    }

    /// A page of remembered paths after `after`.
    pub(crate) fn remembered(
        &mut self,
        watch: &Name,
        after: &RelPath,
    ) -> Result<Vec<RelPath>, StoreError> {
        let watch = self.tables.watch(watch)?;
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
        let watch = self.tables.watch(watch)?;
        let sql =
            "UPDATE seen SET gone_since = ?3 WHERE watch = ?1 AND path = ?2 AND gone_since IS NULL";
        let mut bury = self.db.prepare_cached(sql)?;
        for path in paths {
            let gone = bury.execute(params![watch, path.as_bytes(), clock.now_ms])?;
            self.tables.change_live(watch, -i64::try_from(gone).unwrap_or(0));
        }
        Ok(())
    }
}
