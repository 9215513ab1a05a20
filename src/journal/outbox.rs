//! The second half of the journal: what is due where, and how it ended.

use std::{collections::HashSet, time::Duration};

use rusqlite::{Connection, Error as SqlError, OptionalExtension, params};

use super::{
    attempts::{self, Of},
    statements::Statements,
    store::StoreError,
    tables::Tables,
};
use crate::{
    arrival::{Conclusion, Due, DueBatch, EventId, Name, Refusal, RelPath, UrlPrint},
    clock::WallMs,
};

/// Values of `delivery.state`: it waits, is given up, or its endpoint is not configured at present.
pub(crate) const WAITS: i64 = 0;
pub(crate) const DEAD: i64 = 1;
pub(crate) const PARKED: i64 = 2;

/// Bodies given out at once, in bytes. A body is about 500 bytes, and 52 KiB at worst (a path of 4 KiB of
/// control characters, escaped, three times), so a lane's window is bounded (P8).
const WINDOW_BYTES: usize = 1 << 20;

/// A transaction's view of the deliveries.
pub(crate) struct Deliveries<'a> {
    pub(super) db: &'a Connection,
    pub(super) tables: &'a mut Tables,
    statements: Statements<'a>,
}

impl<'a> Deliveries<'a> {
    /// For one batch.
    pub(crate) fn new(db: &'a Connection, tables: &'a mut Tables) -> Self {
        Self { db, tables, statements: Statements::new(db) }
    }

    /// What is due for `endpoint` now, without what its lane holds; at most `limit` events.
    pub(crate) fn due(
        &mut self,
        endpoint: &Name,
        held: &[i64],
        limit: usize,
        now: WallMs,
    ) -> Result<DueBatch, StoreError> {
        let id = self.tables.endpoint(endpoint)?;
        let replayed = self.tables.replayed.remove(&id);
        let waiting = self.tables.waiting(id);
        // Not compared with what is held: that may have been concluded a moment ago.
        if waiting == 0 {
            return Ok(DueBatch::default());
        }
        let mut batch = self.pick(id, held, limit, now)?;
        batch.replayed = replayed;
        let sql = "SELECT min(next_ms) FROM delivery
                   WHERE endpoint = ?1 AND state = 0 AND behind IS NULL AND next_ms > ?2";
        let next: Option<i64> =
            self.db.prepare_cached(sql)?.query_row(params![id, now.0], |row| row.get(0))?;
        batch.next_in = next.map(|next| WallMs(next).until(now));
        batch.waiting = waiting.saturating_sub((held.len() + batch.events.len()) as u64);
        Ok(batch)
    }

    /// Goes through the index alone until it has found rows that are not held: those come first, and there
    /// are many of them while a lane is busy.
    fn pick(
        &mut self,
        endpoint: i64,
        held: &[i64],
        limit: usize,
        now: WallMs,
    ) -> Result<DueBatch, StoreError> {
        let held: HashSet<i64> = held.iter().copied().collect();
        let (mut batch, mut bytes) = (DueBatch::default(), 0);
        let sql = "SELECT seq FROM delivery
                   WHERE endpoint = ?1 AND state = 0 AND behind IS NULL AND next_ms <= ?2
                   ORDER BY next_ms, seq";
        let mut rows = self.db.prepare_cached(sql)?;
        let mut rows = rows.query(params![endpoint, now.0])?;
        while let Some(row) = rows.next()? {
            let seq: i64 = row.get(0)?;
            if held.contains(&seq) {
                continue;
            }
            if batch.events.len() >= limit || bytes >= WINDOW_BYTES {
                batch.more = true;
                break;
            }
            let due = self.fetch(endpoint, seq)?;
            bytes += due.body.len();
            batch.events.push(due);
        }
        Ok(batch)
    }

    fn fetch(&mut self, endpoint: i64, seq: i64) -> Result<Due, StoreError> {
        // An attempt that came early was free, and is logged all the same: never more than were charged.
        let sql = "SELECT d.attempts, e.id, e.watch, e.path, e.body,
                   CASE d.attempts WHEN 0 THEN 0 ELSE min(d.attempts, (SELECT count(*) FROM attempt a
                     WHERE a.seq = d.seq AND a.endpoint = d.endpoint AND a.class = 'reject')) END
                   FROM delivery d JOIN event e ON e.seq = d.seq WHERE d.seq = ?1 AND d.endpoint = ?2";
        let mut rows = self.statements.get(sql)?.query(params![seq, endpoint])?;
        let missing = || StoreError::Damaged(format!("delivery {seq} without its event"));
        let row = rows.next()?.ok_or_else(missing)?;
        let bytes =
            |column| Ok::<_, StoreError>(row.get_ref(column)?.as_blob().map_err(SqlError::from)?);
        Ok(Due {
            seq,
            attempts: row.get(0)?,
            event: EventId(row.get(1)?),
            watch: self.tables.watch_name(row.get(2)?)?,
            path: RelPath::from_bytes(bytes(3)?),
            body: bytes(4)?.into(),
            rejections: row.get(5)?,
        })
    }

    /// Adds an attempt that did not deliver to the log, which keeps to `max` rows.
    pub(crate) fn log(
        &mut self,
        endpoint: &Name,
        seq: i64,
        refusal: &Refusal,
        now: WallMs,
        max: u64,
    ) -> Result<(), StoreError> {
        let of = Of { seq, endpoint: self.tables.endpoint(endpoint)? };
        attempts::add(self.db, self.tables, of, refusal, now)?;
        attempts::keep_to(self.db, self.tables, max)
    }

    /// Stores how an attempt ended; true when another event of the same path may go now.
    pub(crate) fn conclude(
        &mut self,
        endpoint: &Name,
        seq: i64,
        conclusion: &Conclusion,
        now: WallMs,
    ) -> Result<bool, StoreError> {
        let id = self.tables.endpoint(endpoint)?;
        match conclusion {
            Conclusion::Delivered => self.remove(seq, id),
            Conclusion::Dead { .. } if self.is_notice(seq)? => self.remove(seq, id),
            Conclusion::Retry { attempts, delay, refusal } => {
                self.update(seq, id, WAITS, now.after(*delay).0, *attempts, refusal, now)?;
                Ok(false)
            }
            Conclusion::Dead { attempts, refusal } => {
                if !self.update(seq, id, DEAD, 0, *attempts, refusal, now)? {
                    return Ok(false);
                }
                let _none_left = self.ended(seq, id)?;
                self.tables.died(id, refusal.class);
                self.let_follow(seq, id)
            }
        }
    }

    /// Lets go of a delivery that waits, and of its event if it was the last; true when another event of the
    /// same path may go now.
    pub(super) fn remove(&mut self, seq: i64, endpoint: i64) -> Result<bool, StoreError> {
        let sql = "DELETE FROM delivery WHERE seq = ?1 AND endpoint = ?2 AND state = 0";
        let ended = self.statements.get(sql)?.execute(params![seq, endpoint])?;
        if ended == 0 {
            return Ok(false); // told twice: the first time a reply was lost
        }
        if self.ended(seq, endpoint)? {
            self.statements.get("DELETE FROM event WHERE seq = ?1")?.execute([seq])?;
        }
        self.let_follow(seq, endpoint)
    }

    fn is_notice(&self, seq: i64) -> Result<bool, StoreError> {
        let sql = "SELECT substr(path, 1, 1) = x'2f' FROM event WHERE seq = ?1";
        let found = self.db.prepare_cached(sql)?.query_row([seq], |row| row.get(0));
        Ok(found.optional()?.unwrap_or(false))
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

    /// Counts a delivery out; and its event, when it was the last that waited. True when the event has no
    /// delivery left, be it dead or parked.
    pub(super) fn ended(&mut self, seq: i64, endpoint: i64) -> Result<bool, StoreError> {
        let sql = "SELECT length(body), (SELECT min(state) FROM delivery WHERE seq = ?1),
                   substr(path, 1, 1) = x'2f' FROM event WHERE seq = ?1";
        let row = self
            .statements
            .get(sql)?
            .query_row([seq], |row| Ok((row.get(0)?, row.get::<_, Option<i64>>(1)?, row.get(2)?)));
        let Some((bytes, first, is_notice)) = row.optional()? else { return Ok(false) };
        if is_notice {
            self.tables.notice_ended(endpoint);
        } else {
            self.tables.ended(endpoint, bytes, first != Some(WAITS));
        }
        Ok(first.is_none())
    }

    pub(super) fn forget_if_done(&self, seq: i64) -> Result<(), StoreError> {
        let sql = "DELETE FROM event WHERE seq = ?1 AND NOT EXISTS (SELECT 1 FROM delivery WHERE seq = ?1)";
        self.db.prepare_cached(sql)?.execute([seq])?;
        Ok(())
    }

    /// Nearly always there is none that follows, and SQLite makes a table for the rows that an UPDATE of an
    /// index may meet, before it has met any: so it is looked first (measured).
    pub(super) fn let_follow(&mut self, seq: i64, endpoint: i64) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM delivery WHERE endpoint = ?2 AND behind = ?1";
        if !self.statements.get(sql)?.exists(params![seq, endpoint])? {
            return Ok(false);
        }
        let sql = "UPDATE delivery SET behind = NULL WHERE endpoint = ?2 AND behind = ?1";
        Ok(self.db.prepare_cached(sql)?.execute(params![seq, endpoint])? > 0)
    }

    /// The clock was set back by `step`: what waits for its time does not wait longer for that.
    pub(crate) fn set_back(&mut self, step: Duration) -> Result<(), StoreError> {
        let sql = "UPDATE delivery SET next_ms = max(next_ms - ?1, 0), tried_ms = tried_ms - ?1
                   WHERE state = 0 AND next_ms > 0";
        let step_ms = i64::try_from(step.as_millis()).unwrap_or(i64::MAX);
        self.db.execute(sql, [step_ms])?;
        Ok(())
    }

    /// Makes everything that waits for `endpoint` due now.
    pub(crate) fn release(&mut self, endpoint: &Name) -> Result<(), StoreError> {
        let id = self.tables.endpoint(endpoint)?;
        let sql = "UPDATE delivery SET next_ms = 0
                   WHERE endpoint = ?1 AND state = 0 AND behind IS NULL AND next_ms > 0";
        self.db.prepare_cached(sql)?.execute([id])?;
        Ok(())
    }

    /// Which of `held` no longer wait for `endpoint`.
    pub(crate) fn missing(&self, endpoint: &Name, held: &[i64]) -> Result<Vec<i64>, StoreError> {
        let id = self.tables.endpoint(endpoint)?;
        let sql = "SELECT count(*) FROM delivery WHERE seq = ?1 AND endpoint = ?2 AND state = 0";
        let mut find = self.db.prepare_cached(sql)?;
        let mut missing = Vec::new();
        for seq in held {
            if find.query_row([*seq, id], |row| row.get::<_, i64>(0))? == 0 {
                missing.push(*seq);
            }
        }
        Ok(missing)
    }

    /// Remembers that `endpoint` is gone at this URL.
    pub(crate) fn park(&mut self, endpoint: &Name, url: UrlPrint) -> Result<(), StoreError> {
        let id = self.tables.endpoint(endpoint)?;
        self.db.execute("UPDATE endpoint SET parked_url = ?2 WHERE id = ?1", params![id, url.0])?;
        Ok(())
    }

    /// Whether `endpoint` is parked at exactly this URL.
    pub(crate) fn is_parked(&mut self, endpoint: &Name, url: UrlPrint) -> Result<bool, StoreError> {
        let id = self.tables.endpoint(endpoint)?;
        let sql = "SELECT parked_url FROM endpoint WHERE id = ?1";
        let parked: Option<Vec<u8>> = self.db.query_row(sql, [id], |row| row.get(0))?;
        Ok(parked.is_some_and(|parked| parked == url.0))
    }

    /// Removes the oldest dead letters beyond `keep`, `limit` of them at most; how many.
    pub(crate) fn bury_oldest(&mut self, keep: u64, limit: u64) -> Result<u64, StoreError> {
        let excess = self.tables.dead.saturating_sub(keep).min(limit);
        if excess == 0 {
            return Ok(0);
        }
        let sql = "SELECT seq, endpoint, coalesce(class, '') FROM delivery WHERE state = 1
                   ORDER BY seq LIMIT ?1";
        let mut oldest = self.db.prepare_cached(sql)?;
        let rows = oldest.query_map([excess], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        for (seq, endpoint, class) in rows.collect::<Result<Vec<(i64, i64, String)>, _>>()? {
            let sql = "DELETE FROM delivery WHERE seq = ?1 AND endpoint = ?2";
            self.db.prepare_cached(sql)?.execute(params![seq, endpoint])?;
            self.forget_if_done(seq)?;
            self.tables.buried(endpoint, &class);
        }
        Ok(excess)
    }
}
