//! Keys that belong to the file and do nothing yet. Their defaults are accepted; anything else is refused
//! and never ignored: who sets `follow_symlinks` relies on it.

use super::Crossing;
use crate::config::{file::Settings, problem::Wrong};

impl Crossing<'_> {
    pub(super) fn later(&mut self, typed: &Settings) {
        for (name, watch) in &typed.watch {
            if watch.follow_symlinks {
                self.object(&["watch", name, "follow_symlinks"], Wrong::NotAvailable);
            }
        }
    }
}
