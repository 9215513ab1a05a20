//! Questions that only read.

use super::{
    look,
    open::Open,
    question::{Answer, Question, answer},
    store::StoreError,
};
use crate::clock;

impl Open {
    /// Answers a question that only reads.
    pub(super) fn read(&mut self, question: Question) -> Result<Option<Answer>, StoreError> {
        Ok(Some(match question {
            Question::Recall { source, entries, reply } => {
                answer(reply, self.arrivals().recall(&source.watch, &entries)?)
            }
            Question::FirstScan { source, reply } => {
                answer(reply, self.arrivals().first_scan(&source.watch)?)
            }
            Question::Remembered { source, after, reply } => {
                answer(reply, self.arrivals().remembered(&source.watch, &after)?)
            }
            Question::Due { endpoint, held, limit, reply } => {
                answer(reply, self.deliveries().due(&endpoint, &held, limit, clock::wall())?)
            }
            Question::IsParked { endpoint, url, reply } => {
                answer(reply, self.deliveries().is_parked(&endpoint, url)?)
            }
            Question::Missing { endpoint, held, reply } => {
                answer(reply, self.deliveries().missing(&endpoint, &held)?)
            }
            Question::Page { filter, after, limit, reply } => {
                answer(reply, look::page(&self.db, &filter, after, limit)?)
            }
            Question::Detail { place, reply } => answer(reply, look::detail(&self.db, place.seq)?),
            Question::Beginning { reply } => answer(reply, self.beginning),
            _ => return Ok(None),
        }))
    }
}
