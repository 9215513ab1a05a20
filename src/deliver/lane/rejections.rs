//! How often each event was refused for its own sake. Pure.
//!
//! The journal counts attempts of all kinds, and three refusals are the end while twenty failures are
//! allowed; so the refusals are counted here. A restart forgets them, which costs an event at most two
//! more attempts.

use std::collections::HashMap;

/// Events that wait for their second or third refusal; more than this is a receiver that refuses everything.
const EVENTS_MAX: usize = 4096;

/// Counts by position in the journal.
#[derive(Debug, Default)]
pub(super) struct Rejections(HashMap<i64, u32>);

impl Rejections {
    /// One more; how many there are now. When too many events are remembered, all `attempts` of a new
    /// one count: in doubt it ends earlier, as a dead letter that can be sent again.
    pub(super) fn add(&mut self, seq: i64, attempts: u32) -> u32 {
        if self.0.len() >= EVENTS_MAX && !self.0.contains_key(&seq) {
            return attempts;
        }
        let count = self.0.entry(seq).or_insert(0);
        *count += 1;
        *count
    }

    /// The event has ended.
    pub(super) fn forget(&mut self, seq: i64) {
        self.0.remove(&seq);
    }
}
