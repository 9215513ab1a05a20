//! Keys that belong to the file and do nothing yet. Their defaults are accepted; anything else is refused
//! and never ignored: who sets `restart.max_age` relies on it.

use std::time::Duration;

use super::Crossing;
use crate::config::{file::Settings, problem::Wrong};

impl Crossing<'_> {
    pub(super) fn later(&mut self, typed: &Settings) {
        for (name, watch) in &typed.watch {
            if watch.follow_symlinks {
                self.object(&["watch", name, "follow_symlinks"], Wrong::NotAvailable);
            }
        }
        for (key, is_set) in of_daemon(typed) {
            if is_set {
                self.object(&key, Wrong::NotAvailable);
            }
        }
        // These need the listener, and do nothing without it; their values have to be right all the same.
        let least = Duration::from_secs(1);
        self.period(&["self_check", "interval"], &typed.self_check.interval, least);
        self.count(&["self_check", "failures"], typed.self_check.failures, 1, 1000);
    }
}

fn of_daemon(typed: &Settings) -> [([&'static str; 2], bool); 2] {
    [
        (["restart", "max_age"], typed.restart.max_age.0 != "none"),
        (["restart", "on_binary_change"], typed.restart.on_binary_change),
    ]
}
