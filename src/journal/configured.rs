//! Matching a journal with the configuration of this run: names get their rows, and what belongs to names
//! that are gone is set aside, not forgotten.

use std::path::PathBuf;

use rusqlite::{Connection, params};
use tracing::warn;

use super::{
    arrivals::PENDING_AFTER_LOSS, attempts, notices, outbox::PARKED, outbox::WAITS,
    store::StoreError,
};
use crate::{arrival::Name, clock::WallMs, config::checked::Config, vitals::Run};

/// What of the configuration the journal needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Configured {
    /// The state directory.
    pub(crate) dir: PathBuf,
    pub(crate) watches: Vec<Name>,
    pub(crate) endpoints: Vec<Name>,
    /// Who gets notices.
    pub(crate) operations: Option<Name>,
    /// Room for each endpoint.
    pub(crate) room: Room,
    /// Dead letters kept, over all endpoints.
    pub(crate) dead_max: u64,
    /// Rows of the attempt log, over all events.
    pub(crate) attempts_max: u64,
}

/// How much may wait for one endpoint. Each has its own share, so that one that is down for days does not
/// take the room of the others (P6); the shares together are the configured limit (P8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) events: u64,
    pub(crate) bytes: u64,
}

impl Configured {
    pub(crate) fn of(config: &Config) -> Self {
        // Those that no watch names take no share: an operations endpoint has its own small one.
        let is_named = |name| config.watches.iter().any(|watch| watch.endpoints.contains(name));
        let named = config.endpoints.iter().filter(|endpoint| is_named(&endpoint.name)).count();
        let shares = u64::try_from(named).unwrap_or(u64::MAX).max(1);
        let room = Room {
            events: (config.state.outbox_events_max / shares).max(1),
            bytes: (config.state.outbox_bytes_max / shares).max(1),
        };
        Self {
            dir: config.state.dir.clone(),
            watches: config.watches.iter().map(|watch| watch.name.clone()).collect(),
            endpoints: config.endpoints.iter().map(|endpoint| endpoint.name.clone()).collect(),
            operations: config.operations.clone(),
            room,
            dead_max: config.state.dead_events_max,
            attempts_max: attempts::rows_max(config.state.outbox_bytes_max),
        }
    }

    /// Brings the rows into line, inside a transaction of the caller's. True when this database replaces
    /// one that was lost.
    pub(crate) fn apply(&self, db: &Connection, now: WallMs) -> Result<bool, StoreError> {
        for name in &self.watches {
            let sql = "INSERT OR IGNORE INTO watch (name, first_scan) VALUES (?1, 0)";
            db.execute(sql, [name.as_str()])?;
        }
        for name in &self.endpoints {
            db.execute("INSERT OR IGNORE INTO endpoint (name) VALUES (?1)", [name.as_str()])?;
        }
        notices::prepare(db, self.operations.as_ref())?;
        self.park(db)?;
        // Stored under a clock that ran ahead: nobody knows when it was meant, so it is due.
        let sql =
            "UPDATE delivery SET next_ms = 0 WHERE state = 0 AND next_ms > 0 AND tried_ms > ?1";
        db.execute(sql, [now.0])?;
        mark_loss(db)
    }

    /// Events of endpoints that are not configured take no room from the others; those of endpoints that
    /// are back wait again.
    fn park(&self, db: &Connection) -> Result<(), StoreError> {
        for (id, name) in rows(db, "SELECT id, name FROM endpoint")? {
            let is_configured = self.endpoints.iter().any(|endpoint| endpoint.as_str() == name);
            let (from, to) = if is_configured { (PARKED, WAITS) } else { (WAITS, PARKED) };
            let sql = "UPDATE delivery SET state = ?3 WHERE endpoint = ?1 AND state = ?2";
            let parked = db.execute(sql, params![id, from, to])?;
            if to == PARKED && parked > 0 {
                warn!(
                    endpoint = name,
                    parked, "events are parked: their endpoint is not configured"
                );
            }
        }
        Ok(())
    }

    /// The rows of watches that are not configured.
    pub(crate) fn removed(&self, db: &Connection) -> Result<Vec<i64>, StoreError> {
        let is_configured = |name: &str| self.watches.iter().any(|watch| watch.as_str() == name);
        let mut watches = rows(db, "SELECT id, name FROM watch")?;
        watches.retain(|(_, name)| !is_configured(name));
        Ok(watches.into_iter().map(|(id, _)| id).collect())
    }
}

/// Whether this database replaces one that was lost, and nobody has taken that in yet.
pub(crate) fn is_lost(db: &Connection) -> Result<bool, StoreError> {
    let sql = "SELECT count(*) > 0 FROM meta WHERE key = 'lost'";
    Ok(db.query_row(sql, [], |row| row.get(0))?)
}

/// Nothing that the watches of this run find next may become a silent baseline after a loss; one that is
/// configured later is not meant.
fn mark_loss(db: &Connection) -> Result<bool, StoreError> {
    let lost = db.execute("DELETE FROM meta WHERE key = 'lost'", [])? > 0;
    if lost {
        db.execute("UPDATE watch SET first_scan = ?1 WHERE first_scan = 0", [PENDING_AFTER_LOSS])?;
    }
    Ok(lost)
}

/// Counts a start on this journal, if it `is_start`; how many there were.
pub(crate) fn run(db: &Connection, is_start: bool, after_crash: bool) -> Result<Run, StoreError> {
    let count = |key: &str, more: bool| {
        let sql = "INSERT INTO meta (key, value) VALUES (?1, ?2)
                   ON CONFLICT (key) DO UPDATE SET value = value + excluded.value RETURNING value";
        db.query_row(sql, params![key, more], |row| row.get(0))
    };
    let starts = count("starts", is_start)?;
    let unclean = count("unclean_stops", is_start && after_crash)?;
    Ok(Run { starts, unclean, after_crash: is_start && after_crash })
}

fn rows(db: &Connection, sql: &str) -> Result<Vec<(i64, String)>, StoreError> {
    let mut rows = db.prepare(sql)?;
    let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
