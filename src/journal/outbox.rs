//! The second half of the journal: what is due where, and how it ended.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};
use tracing::warn;

use super::{store::StoreError, tables::Tables};
use crate::{
    arrival::{Conclusion, Due, DueBatch, EventId, Name, Refusal, RelPath, UrlPrint},
    clock::WallMs,
};

/// Values of `delivery.state`. Parked: its endpoint is not configured at present.
const WAITS: i64 = 0;
const DEAD: i64 = 1;
const PARKED: i64 = 2;

/// Bodies given out at once, in bytes. A body is about 500 bytes, and 52 KiB at worst (a path of 4 KiB of
/// control characters, escaped, three times), so a lane's window is bounded (P8).
const WINDOW_BYTES: usize = 1 << 20;

/// What a lane asks for.
pub(crate) struct Wanted<'a> {
    pub(crate) endpoint: &'a Name,
    /// Not these: the lane has them.
    pub(crate) held: &'a [i64],
    /// At most so many.
    pub(crate) limit: usize,
    /// What is due later than this from now on was stored under a wrong clock: nothing waits so long.
    pub(crate) wait_max: Duration,
}

/// A transaction's view of the deliveries.
pub(crate) struct Deliveries<'a> {
    pub(crate) db: &'a Connection,
    pub(crate) tables: &'a mut Tables,
}

impl Deliveries<'_> {
    /// What is due now.
    pub(crate) fn due(&mut self, wanted: &Wanted<'_>, now: WallMs) -> Result<DueBatch, StoreError> {
        let id = self.tables.endpoint(self.db, wanted.endpoint)?;
        let waiting = self.tables.waiting.get(&id).copied().unwrap_or(0);
        let mut batch = DueBatch { waiting, ..DueBatch::default() };
        // Not compared with what is held: that may have been concluded a moment ago.
        if waiting == 0 {
            return Ok(batch);
        }
        let latest = now.after(wanted.wait_max);
        self.pick(&mut batch, id, (i64::MIN, now.0), wanted)?;
        self.pick(&mut batch, id, (latest.0, i64::MAX), wanted)?;
        let sql = "SELECT min(next_ms) FROM delivery
                   WHERE endpoint = ?1 AND state = 0 AND behind IS NULL AND next_ms > ?2";
        let next: Option<i64> =
            self.db.prepare_cached(sql)?.query_row(params![id, now.0], |row| row.get(0))?;
        batch.next_in = next.map(|next| WallMs(next).until(now).min(wanted.wait_max));
        let known = (wanted.held.len() + batch.events.len()) as u64;
        batch.waiting = waiting.saturating_sub(known);
        Ok(batch)
    }

    /// Adds events that are due after `window.0` and not after `window.1`.
    fn pick(
        &self,
        batch: &mut DueBatch,
        endpoint: i64,
        window: (i64, i64),
        wanted: &Wanted<'_>,
    ) -> Result<(), StoreError> {
        let mut bytes: usize = batch.events.iter().map(|due| due.body.len()).sum();
        let sql = "SELECT d.seq, d.attempts, e.id, e.watch, e.path, e.body
                   FROM delivery d JOIN event e ON e.seq = d.seq
                   WHERE d.endpoint = ?1 AND d.state = 0 AND d.behind IS NULL
                     AND d.next_ms > ?2 AND d.next_ms <= ?3
                   ORDER BY d.next_ms, d.seq";
        let mut rows = self.db.prepare_cached(sql)?;
        let mut rows = rows.query(params![endpoint, window.0, window.1])?;
        while batch.events.len() < wanted.limit && bytes < WINDOW_BYTES {
            let Some(row) = rows.next()? else { return Ok(()) };
            let seq: i64 = row.get(0)?;
            if wanted.held.contains(&seq) {
                continue;
            }
            let body = row.get_ref(5)?.as_blob().map_err(rusqlite::Error::from)?;
            bytes += body.len();
            batch.events.push(Due {
                seq,
                attempts: row.get(1)?,
                event: EventId(row.get(2)?),
                watch: self.tables.watch_name(row.get(3)?)?,
                path: RelPath::from_bytes(
                    row.get_ref(4)?.as_blob().map_err(rusqlite::Error::from)?,
                ),
                body: body.into(),
            });
        }
        Ok(())
    }

    /// Stores how an attempt ended; true when another event of the same path may go now.
    pub(crate) fn conclude(
        &mut self,
        endpoint: &Name,
        seq: i64,
        conclusion: &Conclusion,
        now: WallMs,
    ) -> Result<bool, StoreError> {
        let id = self.tables.endpoint(self.db, endpoint)?;
        match conclusion {
            Conclusion::Delivered => {
                let sql = "DELETE FROM delivery WHERE seq = ?1 AND endpoint = ?2 AND state = 0";
                let ended = self.db.prepare_cached(sql)?.execute(params![seq, id])?;
                if ended == 0 {
                    return Ok(false); // told twice: the first time a reply was lost
                }
                self.ended(seq, id)?;
                self.forget_if_done(seq)?;
                self.let_follow(seq, id)
            }
            Conclusion::Retry { attempts, delay, refusal } => {
                self.update(seq, id, WAITS, now.after(*delay).0, *attempts, refusal, now)?;
                Ok(false)
            }
            Conclusion::Dead { attempts, refusal } => {
                if !self.update(seq, id, DEAD, 0, *attempts, refusal, now)? {
                    return Ok(false);
                }
                self.ended(seq, id)?;
                self.tables.dead += 1;
                self.let_follow(seq, id)
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one per column")]
    fn update(
        &self,
        seq: i64,
        endpoint: i64,
        state: i64,
        next_ms: i64,
        attempts: u32,
        refusal: &Refusal,
        now: WallMs,
    ) -> Result<bool, StoreError> {
        let sql =
            "UPDATE delivery SET state = ?3, next_ms = ?4, attempts = ?5, class = ?6, status = ?7,
                   reason = ?8, tried_ms = ?9 WHERE seq = ?1 AND endpoint = ?2 AND state = 0";
        let row = params![
            seq,
            endpoint,
            state,
            next_ms,
            attempts,
            refusal.class,
            refusal.status,
            refusal.reason,
            now.0
        ];
        Ok(self.db.prepare_cached(sql)?.execute(row)? == 1)
    }

    /// Counts a delivery out; and its event, when it was the last that waited.
    fn ended(&mut self, seq: i64, endpoint: i64) -> Result<(), StoreError> {
        if let Some(waiting) = self.tables.waiting.get_mut(&endpoint) {
            *waiting = waiting.saturating_sub(1);
        }
        let sql = "SELECT length(body) FROM event WHERE seq = ?1
                   AND NOT EXISTS (SELECT 1 FROM delivery WHERE seq = ?1 AND state = 0)";
        let last: Option<u64> =
            self.db.prepare_cached(sql)?.query_row([seq], |row| row.get(0)).optional()?;
        if let Some(bytes) = last {
            self.tables.events = self.tables.events.saturating_sub(1);
            self.tables.bytes = self.tables.bytes.saturating_sub(bytes);
        }
        Ok(())
    }

    fn forget_if_done(&self, seq: i64) -> Result<(), StoreError> {
        let sql = "DELETE FROM event WHERE seq = ?1 AND NOT EXISTS (SELECT 1 FROM delivery WHERE seq = ?1)";
        self.db.prepare_cached(sql)?.execute([seq])?;
        Ok(())
    }

    fn let_follow(&self, seq: i64, endpoint: i64) -> Result<bool, StoreError> {
        let sql = "UPDATE delivery SET behind = NULL WHERE endpoint = ?2 AND behind = ?1";
        Ok(self.db.prepare_cached(sql)?.execute(params![seq, endpoint])? > 0)
    }

    /// Parks what waits for endpoints that are not configured: it is kept, but takes no room from the
    /// others. What was parked for an endpoint that is back waits again.
    pub(crate) fn match_configuration(&mut self, configured: &[Name]) -> Result<(), StoreError> {
        let known: Vec<(Name, i64)> =
            self.tables.endpoints().map(|(n, id)| (n.clone(), id)).collect();
        for (name, id) in known {
            let (from, to) =
                if configured.contains(&name) { (PARKED, WAITS) } else { (WAITS, PARKED) };
            let sql = "UPDATE delivery SET state = ?3 WHERE endpoint = ?1 AND state = ?2";
            let parked = self.db.execute(sql, params![id, from, to])?;
            if to == PARKED && parked > 0 {
                warn!(endpoint = %name, parked, "events are parked: their endpoint is not configured");
            }
        }
        self.tables.recount(self.db)
    }

    /// Makes everything that waits for `endpoint` due now.
    pub(crate) fn release(&mut self, endpoint: &Name) -> Result<(), StoreError> {
        let id = self.tables.endpoint(self.db, endpoint)?;
        let sql = "UPDATE delivery SET next_ms = 0
                   WHERE endpoint = ?1 AND state = 0 AND behind IS NULL AND next_ms > 0";
        self.db.prepare_cached(sql)?.execute([id])?;
        Ok(())
    }

    /// Remembers that `endpoint` is gone at this URL.
    pub(crate) fn park(&mut self, endpoint: &Name, url: UrlPrint) -> Result<(), StoreError> {
        let id = self.tables.endpoint(self.db, endpoint)?;
        self.db.execute("UPDATE endpoint SET parked_url = ?2 WHERE id = ?1", params![id, url.0])?;
        Ok(())
    }

    /// Whether `endpoint` is parked at exactly this URL.
    pub(crate) fn is_parked(&mut self, endpoint: &Name, url: UrlPrint) -> Result<bool, StoreError> {
        let id = self.tables.endpoint(self.db, endpoint)?;
        let sql = "SELECT parked_url FROM endpoint WHERE id = ?1";
        let parked: Option<Vec<u8>> = self.db.query_row(sql, [id], |row| row.get(0))?;
        Ok(parked.is_some_and(|parked| parked == url.0))
    }

    /// Removes the oldest dead letters beyond `keep`; how many.
    pub(crate) fn bury_oldest(&mut self, keep: u64) -> Result<u64, StoreError> {
        let excess = self.tables.dead.saturating_sub(keep);
        if excess == 0 {
            return Ok(0);
        }
        let sql = "SELECT seq, endpoint FROM delivery WHERE state = 1 ORDER BY seq LIMIT ?1";
        let mut oldest = self.db.prepare_cached(sql)?;
        let rows =
            oldest.query_map([excess], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
        for (seq, endpoint) in rows.collect::<Result<Vec<_>, _>>()? {
            let sql = "DELETE FROM delivery WHERE seq = ?1 AND endpoint = ?2";
            self.db.prepare_cached(sql)?.execute(params![seq, endpoint])?;
            self.forget_if_done(seq)?;
        }
        self.tables.dead = self.tables.dead.saturating_sub(excess);
        Ok(excess)
    }
}
