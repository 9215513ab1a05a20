//! The control socket: what an operator asks of the running daemon. HTTP/1.1 and JSON over a unix socket,
//! answered on the front's thread, so that it answers whatever the pipeline does.
//!
//! Everything that is public, and beside it, each with POST and a JSON body:
//!
//! | path | body | answer |
//! |---|---|---|
//! | `/events/list`, `/events/show` | [`Ask`] | [`Listed`], [`Shown`] |
//! | `/events/retry`, `/events/discard` | [`Ask`] | [`Treated`] |
//! | `/endpoints/NAME/resume` | none | [`Resumed`] |
//!
//! Answers come in pages: who wants the rest asks again with `after`. A refusal is a [`Refused`].

mod client;
mod place;
mod routes;

use serde::{Deserialize, Serialize};

pub use self::{
    client::{Client, NoAnswer},
    place::{SYSTEM, Socket, link, of},
};
use crate::journal::{
    Remedied,
    look::{Detail, Filter, Place, Row},
};

/// Which events, and where to begin.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ask {
    /// Which.
    pub filter: Filter,
    /// The page after this place; the first, when there is none.
    pub after: Option<Place>,
    /// The most of them; a page has a limit of its own.
    pub limit: Option<usize>,
}

/// A page of the list.
#[derive(Debug, Serialize, Deserialize)]
pub struct Listed {
    /// Oldest first; there may be none although more follow.
    pub events: Vec<Row>,
    /// Where to go on; `None` at the end.
    pub next: Option<Place>,
}

/// A page of whole events.
#[derive(Debug, Serialize, Deserialize)]
pub struct Shown {
    /// Oldest first; there may be none although more follow.
    pub events: Vec<Detail>,
    /// Where to go on; `None` at the end.
    pub next: Option<Place>,
}

/// What was done to a page of the list.
#[derive(Debug, Serialize, Deserialize)]
pub struct Treated {
    /// Oldest first; there may be none although more follow.
    pub events: Vec<TreatedRow>,
    /// Where to go on; `None` at the end.
    pub next: Option<Place>,
}

/// What was done to one event at one endpoint.
#[derive(Debug, Serialize, Deserialize)]
pub struct TreatedRow {
    /// What came of it.
    pub outcome: Remedied,
    /// As it was before.
    #[serde(flatten)]
    pub row: Row,
}

/// What came of resuming an endpoint.
#[derive(Debug, Serialize, Deserialize)]
pub struct Resumed {
    /// Whether it was parked.
    pub was_parked: bool,
}

/// Why nothing was done.
#[derive(Debug, Serialize, Deserialize)]
pub struct Refused {
    /// In one line.
    pub error: String,
}
