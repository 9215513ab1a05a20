//! Notices in the journal: events about the daemon itself, for one endpoint, beside the files.
//!
//! They are rows like all events, told apart by their path, which is absolute. They have a small share of their
//! own: a full outbox does not keep them out, and they take no room from files. The oldest goes for the newest,
//! and one that is given up is no dead letter.

use rusqlite::{Connection, OptionalExtension, params};
use tracing::debug;

use super::{arrivals::Origin, entry::Note, outbox::Deliveries, store::StoreError};
use crate::{
    arrival::{EventId, Name},
    notice::{About, Told},
};

/// Notices that wait at once, of about 500 bytes each.
pub(crate) const NOTICES_MAX: i64 = 100;

/// The watch that they are listed under. A configured watch of this name shares the row and nothing else.
const WATCH: &str = "operations";

/// Makes room for notices to `to`, and drops those that wait for somebody else.
pub(crate) fn prepare(db: &Connection, to: Option<&Name>) -> Result<(), StoreError> {
    if to.is_some() {
        let sql = "INSERT OR IGNORE INTO watch (name, first_scan) VALUES (?1, 0)";
        db.execute(sql, [WATCH])?;
    }
    let to = to.map_or("", Name::as_str);
    db.execute(
        "DELETE FROM delivery WHERE endpoint IS NOT (SELECT id FROM endpoint WHERE name = ?1)
         AND seq IN (SELECT e.seq FROM event e JOIN watch w ON w.id = e.watch
                     WHERE w.name = ?2 AND e.path >= x'2f' AND e.path < x'30')",
        [to, WATCH],
    )?;
    db.execute(
        "DELETE FROM event WHERE watch = (SELECT id FROM watch WHERE name = ?1)
         AND path >= x'2f' AND path < x'30'
         AND NOT EXISTS (SELECT 1 FROM delivery WHERE delivery.seq = event.seq)",
        [WATCH],
    )?;
    Ok(())
}

impl Deliveries<'_> {
    /// Puts a notice into the outbox of `to`, in the place of the oldest when there are too many. False, and
    /// nothing is done, when it is about `to` itself.
    pub(crate) fn notify(
        &mut self,
        to: &Name,
        told: &Told,
        origin: &Origin,
        committed_micros: i64,
    ) -> Result<bool, StoreError> {
        if matches!(&told.notice.about, About::Endpoint(name) if name == to) {
            return Ok(false);
        }
        let endpoint = self.tables.endpoint(to)?;
        let sql = "SELECT id FROM watch WHERE name = ?1";
        let watch: i64 = self.db.prepare_cached(sql)?.query_row([WATCH], |row| row.get(0))?;
        self.make_room(watch, endpoint)?;
        let (instance, host) = (origin.instance.as_str(), origin.host.as_str());
        let note = Note { instance, host, told, committed_micros };
        let (id, path) = (note.id(), told.notice.about.path());
        let behind = self.unfinished(watch, &path, endpoint)?;
        let seq = self.tables.next_seq(self.db)?;
        self.insert(seq, id, (watch, &path), &note)?;
        let sql = "INSERT INTO delivery (seq, endpoint, state, behind, next_ms, attempts)
                   VALUES (?1, ?2, 0, ?3, 0, 0)";
        self.db.prepare_cached(sql)?.execute(params![seq, endpoint, behind])?;
        self.tables.notice_waits(endpoint);
        debug!(kind = told.notice.kind.name(), %path, event = %id, "notice committed");
        Ok(true)
    }

    fn insert(
        &self,
        seq: i64,
        id: EventId,
        (watch, path): (i64, &str),
        note: &Note<'_>,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO event (seq, id, watch, path, committed_ms, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let committed_ms = note.committed_micros / 1000;
        let row = params![seq, id.0, watch, path.as_bytes(), committed_ms, note.body(id)];
        self.db.prepare_cached(sql)?.execute(row)?;
        Ok(())
    }

    /// What was said before about the same subject goes first: "recovered" after "failing".
    fn unfinished(&self, watch: i64, path: &str, endpoint: i64) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT max(d.seq) FROM event e JOIN delivery d ON d.seq = e.seq
                   WHERE e.watch = ?1 AND e.path = ?2 AND d.endpoint = ?3";
        let row = params![watch, path.as_bytes(), endpoint];
        Ok(self.db.prepare_cached(sql)?.query_row(row, |row| row.get(0))?)
    }

    /// The lane may hold the one that goes; what it concludes about it changes nothing.
    fn make_room(&mut self, watch: i64, endpoint: i64) -> Result<(), StoreError> {
        let sql = "SELECT min(seq), count(*) FROM event
                   WHERE watch = ?1 AND path >= x'2f' AND path < x'30'";
        let oldest = self
            .db
            .prepare_cached(sql)?
            .query_row([watch], |row| Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, i64>(1)?)));
        if let Some((Some(seq), count)) = oldest.optional()?
            && count >= NOTICES_MAX
        {
            self.remove(seq, endpoint)?;
        }
        Ok(())
    }
}
