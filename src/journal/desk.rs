//! The operator's view of the journal: looking, and doing something about what is seen. Every question is
//! small, so that lanes and watches are answered in between.

use tokio::sync::mpsc;

use super::{
    Journal, ask,
    look::{Detail, Filter, Page, Place, Row},
    question::Question,
    remedy::{Remedied, Remedy},
};
use crate::arrival::{Name, Unavailable};

/// Asks the journal for an operator. Its answers may be awaited on any runtime.
#[derive(Clone)]
pub struct Desk {
    questions: mpsc::Sender<Question>,
}

/// What a remedy did to a part of the list.
#[derive(Clone, Debug, Default)]
pub struct Treated {
    /// Each delivery, as it was before.
    pub events: Vec<(Row, Remedied)>,
    /// Where to go on; `None` at the end.
    pub next: Option<Place>,
}

impl Journal {
    /// The view of operators.
    pub fn desk(&self) -> Desk {
        Desk { questions: self.questions.clone() }
    }
}

impl Desk {
    /// The deliveries after `after` that fit, at most `limit`; there may be none although more follow.
    pub async fn list(
        &self,
        filter: Filter,
        after: Place,
        limit: usize,
    ) -> Result<Page, Unavailable> {
        ask(&self.questions, |reply| Question::Page { filter, after, limit, reply }).await
    }

    /// The event at `place` whole, with all its deliveries; `None` when it has gone.
    pub async fn show(&self, place: Place) -> Result<Option<Detail>, Unavailable> {
        ask(&self.questions, |reply| Question::Detail { place, reply }).await
    }

    /// Does `remedy` to the deliveries after `after` that fit, as many as go into one transaction.
    pub async fn treat(
        &self,
        remedy: Remedy,
        filter: Filter,
        after: Place,
    ) -> Result<Treated, Unavailable> {
        ask(&self.questions, |reply| Question::Treat { remedy, filter, after, reply }).await
    }

    /// Delivers again to an endpoint that answered 410; whether it had, and `None` when there is no such
    /// endpoint.
    pub async fn resume(&self, endpoint: Name) -> Result<Option<bool>, Unavailable> {
        ask(&self.questions, |reply| Question::Resume { endpoint, reply }).await
    }
}
