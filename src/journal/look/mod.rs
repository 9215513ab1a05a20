//! What a person may want to know of the journal: what has not been delivered, where, and why. It only
//! reads, from the open database or from a copy of it.

mod pattern;

use rusqlite::{Connection, Error as SqlError, OptionalExtension, Row as SqlRow, params};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub use self::pattern::{BadPattern, PathPattern};
use crate::arrival::{EventId, RelPath};

/// Deliveries looked at for one page: the journal has others to answer, too.
const SCAN_MAX: usize = 1024;

/// Rows of one page.
pub const PAGE_MAX: usize = 500;

/// What became of an event at an endpoint so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Not yet delivered.
    Waiting,
    /// Given up.
    Dead,
    /// Held back: its endpoint answered 410 Gone, or is not configured.
    Parked,
}

impl State {
    /// As it is printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Dead => "dead",
            Self::Parked => "parked",
        }
    }
}

/// One event at one endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// `evt_…`
    pub event: String,
    /// The endpoint's name.
    pub endpoint: String,
    /// What became of it.
    pub state: State,
    /// The watch's name.
    pub watch: String,
    /// The path below the watch's root, escaped where it is not printable text.
    pub path: String,
    /// Attempts charged.
    pub attempts: u32,
    /// Class of the last failure.
    pub class: Option<String>,
    /// HTTP status of the last failure.
    pub status: Option<u16>,
    /// What the last failure was.
    pub reason: Option<String>,
    /// When the event was committed, in milliseconds since 1970.
    pub committed_ms: i64,
    /// When it was tried last, in milliseconds since 1970.
    pub tried_ms: Option<i64>,
    /// When it is due, in milliseconds since 1970; `None` when it is due now, or not at all.
    pub due_ms: Option<i64>,
    /// The earlier event of the same path that goes first.
    pub behind: Option<String>,
}

/// Which events. Everything that is given has to fit.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// With one of these ids; any, when there is none.
    pub ids: Vec<EventId>,
    /// In this state.
    pub state: Option<State>,
    /// At this endpoint.
    pub endpoint: Option<String>,
    /// Of this watch.
    pub watch: Option<String>,
    /// With such a path below the root.
    pub path: Option<PathPattern>,
    /// Committed since then, in milliseconds since 1970.
    pub since_ms: Option<i64>,
}

impl Filter {
    /// Whether it lets everything through.
    pub fn is_empty(&self) -> bool {
        let Self { ids, state, endpoint, watch, path, since_ms } = self;
        let names = endpoint.is_none() && watch.is_none() && path.is_none();
        ids.is_empty() && state.is_none() && names && since_ms.is_none()
    }
}

/// A place in the list, for the page after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub(super) seq: i64,
    pub(super) endpoint: i64,
}

impl Place {
    /// Before everything.
    pub const START: Self = Self { seq: i64::MIN, endpoint: i64::MIN };

    /// Whether both are the same event, at one endpoint or at two.
    pub fn is_of_same_event(self, other: Self) -> bool {
        self.seq == other.seq
    }
}

/// A part of the list.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Oldest first, each with its place.
    pub events: Vec<(Place, Row)>,
    /// Where to go on; `None` at the end.
    pub next: Option<Place>,
}

/// One failed attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When it ended, in milliseconds since 1970.
    pub at_ms: i64,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// What it meant: `retry`, `slow`, `config`, `reject`, `gone`, `local`.
    pub class: String,
    /// The HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// One line for a person.
    pub reason: String,
    /// The beginning of the answer, at most 1 KiB, without secrets and control characters.
    pub answer: String,
}

/// One event with everything that is known.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Detail {
    /// `evt_…`
    pub event: String,
    /// The watch's name.
    pub watch: String,
    /// The path below the watch's root, escaped where it is not printable text.
    pub path: String,
    /// When it was committed, in milliseconds since 1970.
    pub committed_ms: i64,
    /// What is sent, byte for byte.
    pub body: Box<RawValue>,
    /// Where it has not been delivered.
    pub deliveries: Vec<Delivery>,
}

/// An event at one endpoint, with the last failed attempts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Delivery {
    /// How it stands.
    #[serde(flatten)]
    pub row: Row,
    /// Oldest first.
    pub log: Vec<Attempt>,
}

const ROWS: &str = "SELECT d.seq, d.endpoint, e.id, p.name, d.state, w.name, e.path, d.attempts, d.class, d.status,
        d.reason, e.committed_ms, p.parked_url IS NOT NULL, d.tried_ms, d.next_ms, b.id
   FROM delivery d JOIN event e ON e.seq = d.seq
   JOIN watch w ON w.id = e.watch JOIN endpoint p ON p.id = d.endpoint
   LEFT JOIN event b ON b.seq = d.behind";

/// The deliveries after `after` that fit, at most `limit` and [`PAGE_MAX`] of them.
pub(super) fn page(
    db: &Connection,
    filter: &Filter,
    after: Place,
    limit: usize,
) -> Result<Page, SqlError> {
    let sql = format!("{ROWS} WHERE (d.seq, d.endpoint) > (?1, ?2) ORDER BY d.seq, d.endpoint");
    let mut rows = db.prepare_cached(&sql)?;
    let mut rows = rows.query(params![after.seq, after.endpoint])?;
    let (mut events, mut looked_at, mut at) = (Vec::new(), 0, after);
    while let Some(row) = rows.next()? {
        if looked_at >= SCAN_MAX || events.len() >= limit.min(PAGE_MAX) {
            return Ok(Page { events, next: Some(at) });
        }
        looked_at += 1;
        at = Place { seq: row.get(0)?, endpoint: row.get(1)? };
        if let Some(row) = fitting(row, filter)? {
            events.push((at, row));
        }
    }
    Ok(Page { events, next: None })
}

/// The row, if it fits.
fn fitting(row: &SqlRow<'_>, filter: &Filter) -> Result<Option<Row>, SqlError> {
    if !filter.ids.is_empty() && !filter.ids.contains(&EventId(row.get(2)?)) {
        return Ok(None);
    }
    let path = RelPath::from_bytes(row.get_ref(6)?.as_blob()?);
    let found = read(row, &path)?;
    let is = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|w| w == found);
    let fits = filter.state.is_none_or(|state| state == found.state)
        && is(&filter.endpoint, &found.endpoint)
        && is(&filter.watch, &found.watch)
        && filter.since_ms.is_none_or(|since| found.committed_ms >= since)
        && filter.path.as_ref().is_none_or(|pattern| pattern.fits(&path));
    Ok(fits.then_some(found))
}

fn read(row: &SqlRow<'_>, path: &RelPath) -> Result<Row, SqlError> {
    let state = match (row.get::<_, i64>(4)?, row.get::<_, bool>(12)?) {
        (0, false) => State::Waiting,
        (1, _) => State::Dead,
        _ => State::Parked,
    };
    let due: i64 = row.get(14)?;
    Ok(Row {
        event: EventId(row.get(2)?).to_string(),
        endpoint: row.get(3)?,
        state,
        watch: row.get(5)?,
        path: path.to_string(),
        attempts: row.get(7)?,
        class: row.get(8)?,
        status: row.get(9)?,
        reason: row.get(10)?,
        committed_ms: row.get(11)?,
        tried_ms: row.get(13)?,
        due_ms: (state == State::Waiting && due > 0).then_some(due),
        behind: row.get::<_, Option<[u8; 16]>>(15)?.map(|id| EventId(id).to_string()),
    })
}

/// One event with its deliveries and their attempts; `None` when it has gone.
pub(super) fn detail(db: &Connection, seq: i64) -> Result<Option<Detail>, SqlError> {
    let sql = format!("{ROWS} WHERE d.seq = ?1 ORDER BY p.name");
    let mut rows = db.prepare_cached(&sql)?;
    let mut rows = rows.query([seq])?;
    let mut deliveries = Vec::new();
    while let Some(row) = rows.next()? {
        let path = RelPath::from_bytes(row.get_ref(6)?.as_blob()?);
        let log = log(db, seq, row.get(1)?)?;
        deliveries.push(Delivery { row: read(row, &path)?, log });
    }
    let sql = "SELECT body FROM event WHERE seq = ?1";
    let body: Option<Vec<u8>> =
        db.prepare_cached(sql)?.query_row([seq], |row| row.get(0)).optional()?;
    let (Some(body), Some(first)) = (body, deliveries.first()) else { return Ok(None) };
    let Row { event, watch, path, committed_ms, .. } = first.row.clone();
    Ok(Some(Detail { event, watch, path, committed_ms, body: raw(&body), deliveries }))
}

/// Bodies are JSON; one that is not was not written by us, and is shown as text.
fn raw(body: &[u8]) -> Box<RawValue> {
    let text = String::from_utf8_lossy(body).into_owned();
    let value = serde_json::to_string(&text).unwrap_or_default();
    RawValue::from_string(text)
        .or_else(|_| RawValue::from_string(value))
        .unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// A journal that was written by the first version has no log.
fn log(db: &Connection, seq: i64, endpoint: i64) -> Result<Vec<Attempt>, SqlError> {
    if !db.table_exists(None, "attempt")? {
        return Ok(Vec::new());
    }
    let sql = "SELECT at_ms, took_ms, class, status, reason, answer FROM attempt
               WHERE seq = ?1 AND endpoint = ?2 ORDER BY id";
    let mut rows = db.prepare_cached(sql)?;
    let rows = rows.query_map([seq, endpoint], |row| {
        Ok(Attempt {
            at_ms: row.get(0)?,
            took_ms: row.get(1)?,
            class: row.get(2)?,
            status: row.get(3)?,
            reason: row.get(4)?,
            answer: row.get(5)?,
        })
    })?;
    rows.collect()
}
