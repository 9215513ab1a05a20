//! Which configuration held when. While the daemon goes over from one to the next, both do.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc, time::Duration};

use crate::{
    arrival::Name,
    config::checked::{Config, Watch},
    world,
};

struct Held {
    watches: BTreeMap<Name, Rc<Watch>>,
    endpoints: Vec<Name>,
    from: Duration,
    until: Option<Duration>,
}

/// A time through which a watch was configured the same.
#[derive(Clone)]
pub(crate) struct Stretch {
    pub(crate) watch: Rc<Watch>,
    pub(crate) from: Duration,
    pub(crate) until: Option<Duration>,
}

thread_local! {
    static HELD: RefCell<Vec<Held>> = const { RefCell::new(Vec::new()) };
}

fn with<T>(f: impl FnOnce(&mut Vec<Held>) -> T) -> T {
    HELD.with(|held| f(&mut held.borrow_mut()))
}

/// The first one of a run.
pub(crate) fn begin(config: &Config) {
    with(Vec::clear);
    asked_for(config);
}

/// This one holds from now on, beside those before it; its number.
pub(crate) fn asked_for(config: &Config) -> usize {
    let from = world::with(|w| w.now());
    let watches = config.watches.iter().map(|w| (w.name.clone(), Rc::new(w.clone()))).collect();
    let endpoints = config.endpoints.iter().map(|endpoint| endpoint.name.clone()).collect();
    with(|held| {
        held.push(Held { watches, endpoints, from, until: None });
        held.len() - 1
    })
}

/// It is in force: none before it holds any more.
pub(crate) fn in_force(number: usize) {
    let now = world::with(|w| w.now());
    with(|held| held[..number].iter_mut().for_each(|old| _ = old.until.get_or_insert(now)));
}

/// The newest is in force.
pub(crate) fn newest_in_force() {
    in_force(with(|held| held.len() - 1));
}

/// Whether an endpoint may be asked now.
pub(crate) fn names_endpoint(name: &Name) -> bool {
    with(|held| held.iter().any(|h| h.until.is_none() && h.endpoints.contains(name)))
}

/// How a watch may be configured now.
pub(crate) fn watches_now(name: &Name) -> Vec<Rc<Watch>> {
    with(|held| {
        let now = held.iter().filter(|held| held.until.is_none());
        now.filter_map(|held| held.watches.get(name).cloned()).collect()
    })
}

/// When a watch was there for the first time.
pub(crate) fn first_named(name: &Name) -> Option<Duration> {
    with(|held| held.iter().find(|held| held.watches.contains_key(name)).map(|held| held.from))
}

/// How a watch was configured, in the order of time.
pub(crate) fn stretches(name: &Name) -> Vec<Stretch> {
    with(|held| {
        let mut all: Vec<Stretch> = Vec::new();
        let mut goes_on = false;
        for held in held.iter() {
            let Some(watch) = held.watches.get(name) else {
                goes_on = false;
                continue;
            };
            if let Some(last) = all.last_mut().filter(|last| goes_on && last.watch == *watch) {
                last.until = held.until;
            } else {
                let (watch, from, until) = (Rc::clone(watch), held.from, held.until);
                all.push(Stretch { watch, from, until });
            }
            goes_on = true;
        }
        all
    })
}
