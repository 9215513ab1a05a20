//! How one root is watched: what its file system can be trusted with, and what the operator says. Pure.

use super::schedule::Polled;
use crate::{
    config::checked::{Backend, Watch},
    filesystem::Policy,
};

/// What was chosen, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// By kernel events, or by scans alone.
    pub(super) events: bool,
    /// Why, for the log.
    pub(super) because: &'static str,
    /// Whether writers are asked for.
    pub(super) leases: bool,
}

impl Choice {
    /// For the root, or for a directory below it, by the file system that holds it.
    pub(super) fn of(config: &Watch, policy: Policy) -> Self {
        let (events, because) = match (config.backend, policy.events) {
            (Backend::Events, _) => (true, "backend = \"events\" is configured"),
            (Backend::Poll, _) => (false, "backend = \"poll\" is configured"),
            (Backend::Auto, true) => (true, "this file system reports every change"),
            (Backend::Auto, false) => {
                (false, "changes by others may cause no events on this file system")
            }
        };
        Self { events, because, leases: config.writer_detection && policy.lease }
    }

    /// Why, as it turned out.
    pub(super) fn reason(&self, polled: Polled) -> &'static str {
        let is_out = self.events && polled == Polled::Everything;
        if is_out { "no inotify instance is left" } else { self.because }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests, *};

    #[test]
    fn the_file_system_decides_and_the_operator_overrules_it() {
        let (ext4, nfs) = (Policy::of(0xef53), Policy::of(0x6969));
        let table = [
            (Backend::Auto, true, ext4, true, true),
            (Backend::Auto, true, nfs, false, false),
            (Backend::Events, true, nfs, true, false),
            (Backend::Poll, true, ext4, false, true),
            (Backend::Auto, false, ext4, true, false),
        ];
        for (backend, writer_detection, policy, events, leases) in table {
            let watch = Watch { writer_detection, backend, ..tests::watch("/in".as_ref()) };
            let choice = Choice::of(&watch, policy);
            let expected = (events, leases);
            assert_eq!((choice.events, choice.leases), expected, "{backend:?} {}", policy.kind);
        }
    }
}
