//! What an operator does about events: send them again, or give them up.

use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::{
    desk::Treated,
    look::{self, Filter, Place},
    outbox::{DEAD, Deliveries, WAITS},
    store::StoreError,
};
use crate::arrival::Name;

/// Deliveries treated in one transaction.
const TREATED_MAX: usize = 100;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Remedy {
    /// Due now. A dead letter gets all its attempts again; the id and the body stay.
    Retry,
    /// Forgotten: it is not sent any more.
    Discard,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Remedied {
    /// Done.
    Done,
    /// It has ended meanwhile.
    Gone,
    /// Its endpoint is not configured; nothing is sent there.
    NotConfigured,
    /// Its endpoint answered 410 Gone and has to be resumed first.
    EndpointParked,
}

/// A delivery, as far as a remedy depends on it.
struct Stand {
    state: i64,
    class: String,
    watch: i64,
    path: Vec<u8>,
    body_len: u64,
    endpoint: String,
    is_parked: bool,
}

impl Deliveries<'_> {
    /// Does it to the next deliveries that fit. Only what is `configured` can be sent.
    pub(super) fn treat(
        &mut self,
        remedy: Remedy,
        (filter, after): (&Filter, Place),
        configured: &[Name],
    ) -> Result<Treated, StoreError> {
        let page = look::page(self.db, filter, after, TREATED_MAX)?;
        let mut events = Vec::with_capacity(page.events.len());
        for (place, row) in page.events {
            let remedied = self.remedy(remedy, place, configured)?;
            events.push((row, remedied));
        }
        Ok(Treated { events, next: page.next })
    }

    fn remedy(
        &mut self,
        remedy: Remedy,
        place: Place,
        configured: &[Name],
    ) -> Result<Remedied, StoreError> {
        let Some(stand) = self.stand(place)? else { return Ok(Remedied::Gone) };
        let is_configured = configured.iter().any(|name| name.as_str() == stand.endpoint);
        match remedy {
            Remedy::Discard => self.discard(place, &stand)?,
            Remedy::Retry if !is_configured => return Ok(Remedied::NotConfigured),
            Remedy::Retry if stand.is_parked => return Ok(Remedied::EndpointParked),
            Remedy::Retry => self.retry(place, &stand)?,
        }
        Ok(Remedied::Done)
    }

    fn stand(&self, place: Place) -> Result<Option<Stand>, StoreError> {
        let sql = "SELECT d.state, e.watch, e.path, length(e.body), p.name, p.parked_url IS NOT NULL,
                     coalesce(d.class, '')
                   FROM delivery d JOIN event e ON e.seq = d.seq JOIN endpoint p ON p.id = d.endpoint
                   WHERE d.seq = ?1 AND d.endpoint = ?2";
        let mut found = self.db.prepare_cached(sql)?;
        let row = found.query_row([place.seq, place.endpoint], |row| {
            Ok(Stand {
                state: row.get(0)?,
                watch: row.get(1)?,
                path: row.get(2)?,
                body_len: row.get(3)?,
                endpoint: row.get(4)?,
                is_parked: row.get(5)?,
                class: row.get(6)?,
            })
        });
        Ok(row.optional()?)
    }

    fn retry(&mut self, place: Place, stand: &Stand) -> Result<(), StoreError> {
        let Place { seq, endpoint } = place;
        if stand.state == DEAD {
            let sql = "SELECT NOT EXISTS (SELECT 1 FROM delivery WHERE seq = ?1 AND state = 0)";
            let is_first = self.db.prepare_cached(sql)?.query_row([seq], |row| row.get(0))?;
            let sql = "UPDATE delivery SET state = 0, attempts = 0, next_ms = 0, behind = ?3
                       WHERE seq = ?1 AND endpoint = ?2";
            let behind = self.insert_in_order(place, stand)?;
            self.db.prepare_cached(sql)?.execute(params![seq, endpoint, behind])?;
            self.tables.buried(endpoint, &stand.class);
            // A notice takes no room from events.
            if stand.path.first() == Some(&b'/') {
                self.tables.notice_waits(endpoint);
            } else {
                self.tables.revived(endpoint, stand.body_len, is_first);
            }
        } else {
            let sql = "UPDATE delivery SET next_ms = 0 WHERE seq = ?1 AND endpoint = ?2";
            self.db.prepare_cached(sql)?.execute([seq, endpoint])?;
        }
        Ok(())
    }

    /// Of one path the older event goes first (P5): whatever has not ended goes behind this one, or this one
    /// behind it. The event to wait for.
    fn insert_in_order(&self, place: Place, stand: &Stand) -> Result<Option<i64>, StoreError> {
        let sql =
            "SELECT max(d.seq) FILTER (WHERE d.seq < ?4), min(d.seq) FILTER (WHERE d.seq > ?4)
                   FROM event e JOIN delivery d ON d.seq = e.seq
                   WHERE e.watch = ?1 AND e.path = ?2 AND d.endpoint = ?3 AND d.state IN (0, 2)";
        let row = params![stand.watch, stand.path, place.endpoint, place.seq];
        let (before, after): (Option<i64>, Option<i64>) =
            self.db.prepare_cached(sql)?.query_row(row, |row| Ok((row.get(0)?, row.get(1)?)))?;
        if let Some(after) = after {
            let sql = "UPDATE delivery SET behind = ?3 WHERE seq = ?1 AND endpoint = ?2";
            self.db.prepare_cached(sql)?.execute([after, place.endpoint, place.seq])?;
        }
        Ok(before)
    }

    fn discard(&mut self, place: Place, stand: &Stand) -> Result<(), StoreError> {
        let Place { seq, endpoint } = place;
        let sql = "DELETE FROM delivery WHERE seq = ?1 AND endpoint = ?2";
        self.db.prepare_cached(sql)?.execute([seq, endpoint])?;
        match stand.state {
            WAITS => drop(self.ended(seq, endpoint)?),
            DEAD => self.tables.buried(endpoint, &stand.class),
            _ => self.tables.census.unparked(endpoint),
        }
        self.forget_if_done(seq)?;
        self.let_follow(seq, endpoint)?;
        self.tables.discards += 1;
        Ok(())
    }

    /// Forgets that `endpoint` answered 410; whether it had, and `None` when there is no such endpoint.
    pub(super) fn resume(&mut self, endpoint: &Name) -> Result<Option<bool>, StoreError> {
        let sql = "SELECT parked_url IS NOT NULL FROM endpoint WHERE name = ?1";
        let mut find = self.db.prepare_cached(sql)?;
        let was_parked = find.query_row([endpoint.as_str()], |row| row.get(0)).optional()?;
        let sql = "UPDATE endpoint SET parked_url = NULL WHERE name = ?1";
        self.db.prepare_cached(sql)?.execute([endpoint.as_str()])?;
        Ok(was_parked)
    }
}
