//! The attempt log: how the last failed attempts of each event ended. Written with the conclusion, in its
//! transaction; an event that is delivered at once leaves nothing here. Rows go with their delivery, by a
//! trigger, so that an older watchd takes them along, too.

use rusqlite::{Connection, params};

use super::{store::StoreError, tables::Tables};
use crate::{arrival::Refusal, clock::WallMs};

/// Attempts kept for each event at each endpoint: the last ones.
const KEPT: i64 = 10;

/// No row takes more: answer, reason and the numbers.
const ROW_BYTES_MAX: u64 = 2048;

/// Of the outbox, the log takes this part at most, beside it.
const SHARE_OF_OUTBOX: u64 = 8;

/// How many rows the log may have beside an outbox of `outbox_bytes`.
pub(crate) fn rows_max(outbox_bytes: u64) -> u64 {
    (outbox_bytes / SHARE_OF_OUTBOX / ROW_BYTES_MAX).max(KEPT.unsigned_abs())
}

/// Which delivery an attempt was for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Of {
    pub(crate) seq: i64,
    pub(crate) endpoint: i64,
}

/// Adds an attempt, and lets go of what is one too many of its delivery. Nothing when the delivery is gone.
pub(crate) fn add(
    db: &Connection,
    tables: &mut Tables,
    of: Of,
    refusal: &Refusal,
    now: WallMs,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO attempt (seq, endpoint, at_ms, took_ms, class, status, reason, answer)
               SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8
               WHERE EXISTS (SELECT 1 FROM delivery WHERE seq = ?1 AND endpoint = ?2)";
    let took_ms = i64::try_from(refusal.took.as_millis()).unwrap_or(i64::MAX);
    let Refusal { class, status, reason, answer, .. } = refusal;
    let row = params![of.seq, of.endpoint, now.0, took_ms, class, status, reason, answer];
    tables.attempts += db.prepare_cached(sql)?.execute(row)? as u64;
    let sql = "DELETE FROM attempt WHERE seq = ?1 AND endpoint = ?2 AND id <=
               (SELECT id FROM attempt WHERE seq = ?1 AND endpoint = ?2 ORDER BY id DESC LIMIT 1 OFFSET ?3)";
    db.prepare_cached(sql)?.execute(params![of.seq, of.endpoint, KEPT])?;
    Ok(())
}

/// Lets go of the oldest rows when there are more than `max`, and of some more, so that it is not done for
/// every attempt. The count at hand is too high, for deliveries take their rows with them unseen.
pub(crate) fn keep_to(db: &Connection, tables: &mut Tables, max: u64) -> Result<(), StoreError> {
    if tables.attempts <= max {
        return Ok(());
    }
    tables.attempts = count(db)?;
    let kept = max - max / 8;
    let excess = tables.attempts.saturating_sub(kept);
    let sql = "DELETE FROM attempt WHERE id IN (SELECT id FROM attempt ORDER BY id LIMIT ?1)";
    let gone = db.prepare_cached(sql)?.execute([excess])?;
    tables.attempts = tables.attempts.saturating_sub(gone as u64);
    Ok(())
}

/// How many rows there are.
pub(crate) fn count(db: &Connection) -> Result<u64, StoreError> {
    Ok(db.query_row("SELECT count(*) FROM attempt", [], |row| row.get(0))?)
}
