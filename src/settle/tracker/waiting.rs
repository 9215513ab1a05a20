//! What the tracker waits for, for whoever asks.

use std::collections::BinaryHeap;

use super::{Candidate, Tracker};
use crate::{
    arrival::RelPath,
    vitals::{SHOWN_MAX, Waiting, WaitingList, Why},
};

impl Tracker {
    /// Counts all, and names those that have been waiting for longest. Goes through all of them.
    pub(crate) fn waiting(&self) -> WaitingList {
        let mut list = WaitingList::default();
        let mut oldest = BinaryHeap::with_capacity(SHOWN_MAX + 1);
        for (path, candidate) in &self.waiting {
            *match candidate.why() {
                Why::OpenForWriting { .. } => &mut list.open,
                Why::NoRoom => &mut list.no_room,
                _ => &mut list.changed,
            } += 1;
            let key = (candidate.first_seen, path);
            // The heap's top is the youngest of the oldest.
            if oldest.len() < SHOWN_MAX || oldest.peek().is_some_and(|top| key < *top) {
                oldest.push(key);
            }
            if oldest.len() > SHOWN_MAX {
                oldest.pop();
            }
        }
        let named = oldest.into_sorted_vec().into_iter();
        list.oldest =
            named.filter_map(|(_, path)| Some(self.waiting.get(path)?.shown(path))).collect();
        list
    }
}

impl Candidate {
    fn why(&self) -> Why {
        match self.held_since {
            Some(since) => Why::OpenForWriting { since },
            None if self.refused => Why::NoRoom,
            None => Why::Changed { at: self.changed },
        }
    }

    fn shown(&self, path: &RelPath) -> Waiting {
        let size = self.sample.map(|sample| sample.size);
        Waiting { path: path.clone(), size, since: self.first_seen, why: self.why() }
    }
}
