//! What a new configuration means for what is running. Pure.

use crate::{arrival::Name, config::checked::Config};

/// Which parts of one kind are to be stopped, and which started. What did not change is in neither.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan<T> {
    /// Changed or gone.
    pub(super) stop: Vec<Name>,
    /// Changed or new.
    pub(super) start: Vec<T>,
}

impl<T: Clone + PartialEq> Plan<T> {
    /// From what runs to what is wanted. A part that has another name is another part.
    pub(super) fn new(running: &[T], wanted: &[T], name: fn(&T) -> &Name) -> Self {
        let missing = |from: &[T], part: &T| !from.contains(part);
        let stop = running.iter().filter(|part| missing(wanted, part)).map(|p| name(p).clone());
        let start = wanted.iter().filter(|part| missing(running, part)).cloned();
        Self { stop: stop.collect(), start: start.collect() }
    }
}

/// Puts back what cannot change while the daemon runs. The keys of what was changed in vain.
pub(super) fn keep_fixed(old: &Config, new: &mut Config) -> Vec<&'static str> {
    let changed = [
        ("instance", old.instance != new.instance),
        ("state.dir", old.state.dir != new.state.dir),
        ("http.listen", old.listen != new.listen),
        ("log.format", old.log.format != new.log.format),
        ("control.socket", old.control != new.control),
    ];
    new.instance.clone_from(&old.instance);
    new.state.dir.clone_from(&old.state.dir);
    new.listen.clone_from(&old.listen);
    new.log.format = old.log.format;
    new.control.clone_from(&old.control);
    changed.into_iter().filter(|(_, changed)| *changed).map(|(key, _)| key).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    type Part = (Name, u8);

    fn parts() -> impl Strategy<Value = Vec<Part>> {
        prop::collection::btree_map("[a-d]", 0..3u8, 0..4).prop_map(|parts: BTreeMap<_, _>| {
            parts.into_iter().map(|(text, value)| (Name::parse(&text).unwrap(), value)).collect()
        })
    }

    proptest! {
        /// Stopping and starting what the plan says turns the one set into the other, and touches nothing
        /// that is in both.
        #[test]
        fn a_plan_leads_from_what_runs_to_what_is_wanted(running in parts(), wanted in parts()) {
            let plan = Plan::new(&running, &wanted, |part| &part.0);
            let kept = running.iter().filter(|part| !plan.stop.contains(&part.0)).cloned();
            let kept: Vec<Part> = kept.collect();
            prop_assert!(kept.iter().all(|part| wanted.contains(part)), "what is kept is wanted");
            let both = running.iter().filter(|part| wanted.contains(part)).count();
            prop_assert_eq!(kept.len(), both, "what is in both is left alone");
            let mut after = [kept, plan.start].concat();
            after.sort();
            prop_assert_eq!(after, wanted);
        }
    }
}
