//! What goes from the journal to delivery, and back.

use std::{fmt, sync::Arc, time::Duration};

use super::{EventId, Name, RelPath, Unavailable};

/// Why an attempt did not deliver, in a form that carries no secret (P10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Outcome class in lower case: `retry`, `slow`, `config`, `reject`, `gone`, `local`.
    pub class: &'static str,
    /// HTTP status, when the receiver answered.
    pub status: Option<u16>,
    /// One line for a person.
    pub reason: String,
    /// The beginning of what the receiver said, at most 1 KiB, without secrets and control characters.
    pub answer: String,
    /// How long the attempt took.
    pub took: Duration,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.status, self.reason.as_str()) {
            (Some(status), "") => write!(f, "the receiver answered {status}"),
            (Some(status), reason) => write!(f, "the receiver answered {status}: {reason}"),
            (None, reason) => f.write_str(reason),
        }
    }
}

/// Stage 3 to 4: one event that is due at one endpoint.
#[derive(Clone, Debug)]
pub struct Due {
    /// Position in the journal; unique, in commit order.
    pub seq: i64,
    /// The event.
    pub event: EventId,
    /// Which watch it came from.
    pub watch: Name,
    /// Which file, for logs.
    pub path: RelPath,
    /// The bytes to send, fixed at commit.
    pub body: Arc<[u8]>,
    /// Attempts charged so far.
    pub attempts: u32,
    /// How many of them ended in a refusal of the event itself, as far as the attempt log goes back.
    pub rejections: u32,
}

impl Due {
    /// Whether this is no file but a notice of the daemon about itself: the path of a file is relative.
    pub fn is_notice(&self) -> bool {
        self.path.as_bytes().first() == Some(&b'/')
    }
}

/// What [`Outbox::due`] found.
#[derive(Clone, Debug, Default)]
pub struct DueBatch {
    /// Events to send now, oldest first; at most as many as asked for.
    pub events: Vec<Due>,
    /// When the next one that is not yet due becomes due, if any.
    pub next_in: Option<Duration>,
    /// Whether more are due than fitted in.
    pub more: bool,
    /// How many more wait for this endpoint beyond `events`, due or not.
    pub waiting: u64,
    /// An operator sends events again since the last question: they go out slowly at first.
    pub replayed: bool,
}

/// Stage 4 to 3: how one attempt ended.
#[derive(Clone, Debug)]
pub enum Conclusion {
    /// Accepted by the receiver.
    Delivered,
    /// Charged as an attempt; due again after `delay`.
    Retry {
        /// Attempts charged, this one included.
        attempts: u32,
        /// Wait at least so long.
        delay: Duration,
        /// Why.
        refusal: Refusal,
    },
    /// Given up: kept as a dead letter.
    Dead {
        /// Attempts charged, this one included.
        attempts: u32,
        /// Why.
        refusal: Refusal,
    },
}

impl Conclusion {
    /// Why it was not delivered, if it was not.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Delivered => None,
            Self::Retry { refusal, .. } | Self::Dead { refusal, .. } => Some(refusal),
        }
    }
}

/// A fingerprint of an endpoint's URL: tells whether it changed, without storing it (P10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UrlPrint(pub [u8; 16]);

/// What the journal tells all lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// Something new may be due.
    News,
    /// The same, and what lanes hold may have been discarded.
    Discarded,
}

/// What delivery needs of the journal. One endpoint's view of it.
pub trait Outbox {
    /// Events of `endpoint` that are due, without those in `held` (already with the lane), at most
    /// `limit` of them. All are committed to stable storage (P4); of one
    /// path only the oldest is ever returned (P5).
    fn due(
        &self,
        endpoint: &Name,
        held: Vec<i64>,
        limit: usize,
    ) -> impl Future<Output = Result<DueBatch, Unavailable>>;

    /// Stores how attempts of these events (by `seq`) ended, all in one go; returns once that is on stable
    /// storage.
    fn conclude(
        &self,
        endpoint: &Name,
        ends: Vec<(i64, Conclusion)>,
    ) -> impl Future<Output = Result<(), Unavailable>>;

    /// Makes every waiting event of `endpoint` due at once (the endpoint has come back).
    fn release(&self, endpoint: &Name) -> impl Future<Output = Result<(), Unavailable>>;

    /// Remembers that `endpoint` answered 410 Gone at the URL with this fingerprint: nothing more is sent
    /// until the URL changes or an operator resumes it.
    fn park(&self, endpoint: &Name, url: UrlPrint)
    -> impl Future<Output = Result<(), Unavailable>>;

    /// Whether `endpoint` was parked at exactly this URL.
    fn is_parked(
        &self,
        endpoint: &Name,
        url: UrlPrint,
    ) -> impl Future<Output = Result<bool, Unavailable>>;

    /// Which of `held` no longer wait for `endpoint`: an operator has discarded them.
    fn missing(
        &self,
        endpoint: &Name,
        held: Vec<i64>,
    ) -> impl Future<Output = Result<Vec<i64>, Unavailable>>;

    /// Waits until there is news for any endpoint.
    fn woken(&self) -> impl Future<Output = Wake>;
}
