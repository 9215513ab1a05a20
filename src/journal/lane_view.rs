//! What a lane asks the journal.

use tokio::sync::{Mutex, mpsc, watch};

use super::{Journal, Wakes, ask, question::Question};
use crate::arrival::{Conclusion, DueBatch, Name, Outbox, Unavailable, UrlPrint, Wake};

impl Journal {
    /// The view of one lane.
    pub fn for_lane(&self) -> LaneView {
        let discards = self.woken.borrow().discards;
        let woken = Mutex::new((self.woken.clone(), discards));
        LaneView { questions: self.questions.clone(), woken }
    }
}

/// A lane's view of the journal.
pub struct LaneView {
    questions: mpsc::Sender<Question>,
    /// And how many discards it has heard of.
    woken: Mutex<(watch::Receiver<Wakes>, u64)>,
}

impl Outbox for LaneView {
    async fn due(
        &self,
        endpoint: &Name,
        held: Vec<i64>,
        limit: usize,
    ) -> Result<DueBatch, Unavailable> {
        let endpoint = endpoint.clone();
        ask(&self.questions, |reply| Question::Due { endpoint, held, limit, reply }).await
    }

    async fn conclude(
        &self,
        endpoint: &Name,
        ends: Vec<(i64, Conclusion)>,
    ) -> Result<(), Unavailable> {
        let endpoint = endpoint.clone();
        ask(&self.questions, |reply| Question::Conclude { endpoint, ends, reply }).await
    }

    async fn release(&self, endpoint: &Name) -> Result<(), Unavailable> {
        let endpoint = endpoint.clone();
        ask(&self.questions, |reply| Question::Release { endpoint, reply }).await
    }

    async fn park(&self, endpoint: &Name, url: UrlPrint) -> Result<(), Unavailable> {
        let endpoint = endpoint.clone();
        ask(&self.questions, |reply| Question::Park { endpoint, url, reply }).await
    }

    async fn is_parked(&self, endpoint: &Name, url: UrlPrint) -> Result<bool, Unavailable> {
        let endpoint = endpoint.clone();
        ask(&self.questions, |reply| Question::IsParked { endpoint, url, reply }).await
    }

    async fn missing(&self, endpoint: &Name, held: Vec<i64>) -> Result<Vec<i64>, Unavailable> {
        let endpoint = endpoint.clone();
        ask(&self.questions, |reply| Question::Missing { endpoint, held, reply }).await
    }

    async fn woken(&self) -> Wake {
        let mut woken = self.woken.lock().await;
        let (wakes, heard_of) = &mut *woken;
        if wakes.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        let discards = wakes.borrow_and_update().discards;
        let is_news = std::mem::replace(heard_of, discards) == discards;
        if is_news { Wake::News } else { Wake::Discarded }
    }
}
