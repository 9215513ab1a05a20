//! What was put down in the journal, for whom, and what it recorded silently: judged as it happens.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::{
    arrival::{EventId, FirstScan, Name, Present, Recorded, RelPath, Scanned, Settled, Version},
    config::checked::Initial,
    disk, held,
    journal::source::Source,
    receiver::violation,
    world,
};

/// As the script's configurations say.
pub(crate) const INSTANCE: &str = "simulated";

#[derive(Default)]
struct Ledger {
    /// Endpoints for which an event was committed, as the journal said.
    committed: BTreeMap<EventId, BTreeSet<Name>>,
    /// Those for which it was handed over, each time. It may be on disk without an answer.
    handed: BTreeMap<EventId, BTreeSet<Name>>,
    /// What was committed to databases that were lost since.
    before: BTreeMap<EventId, BTreeSet<Name>>,
    /// Versions that were recorded silently.
    silent: BTreeSet<EventId>,
    /// Versions that may have been: the process died, or the disk failed, before the journal said so.
    unsaid: BTreeSet<EventId>,
    /// Watches whose first complete scan is over.
    scanned: BTreeSet<Name>,
    /// Watches that lost what they knew: nothing that is there now may be taken for old.
    lost: BTreeSet<Name>,
    /// The database was lost, and no daemon has started since.
    is_lost: bool,
}

thread_local! {
    static LEDGER: RefCell<Ledger> = RefCell::default();
}

fn with<T>(f: impl FnOnce(&mut Ledger) -> T) -> T {
    LEDGER.with(|ledger| f(&mut ledger.borrow_mut()))
}

pub(crate) fn create() {
    with(|ledger| *ledger = Ledger::default());
}

fn id(watch: &Name, path: &RelPath, version: &Version) -> EventId {
    EventId::of(INSTANCE, watch, path, version)
}

/// The database is gone. `known`: it had been in use, and the file beside it says so.
pub(crate) fn database_lost(known: bool) {
    with(|ledger| {
        let committed = std::mem::take(&mut ledger.committed);
        for (id, endpoints) in committed {
            ledger.before.entry(id).or_default().extend(endpoints);
        }
        ledger.handed.clear();
        ledger.silent.clear();
        ledger.unsaid.clear();
        ledger.scanned.clear();
        ledger.is_lost |= known;
    });
}

/// A daemon starts with these watches.
pub(crate) fn started<'a>(watches: impl Iterator<Item = &'a Name>) {
    with(|ledger| {
        if std::mem::take(&mut ledger.is_lost) {
            ledger.lost.extend(watches.cloned());
        }
    });
}

/// Files are handed to the journal.
pub(crate) fn handed_over(source: &Source, batch: &[Settled]) {
    let endpoints: BTreeSet<Name> = source.endpoints.iter().cloned().collect();
    with(|ledger| {
        for file in batch {
            let id = id(&source.watch, &file.path, &file.version);
            let each = ledger.handed.entry(id).or_insert_with(|| endpoints.clone());
            each.retain(|endpoint| endpoints.contains(endpoint));
        }
    });
}

/// The journal has answered.
pub(crate) fn recorded(source: &Source, batch: &[Settled], answers: &[Recorded]) {
    for (file, answer) in batch.iter().zip(answers) {
        let Recorded::New(new) = answer else { continue };
        let (watch, path) = (&source.watch, &file.path);
        if !held::watches_now(watch).iter().any(|held| held.endpoints == source.endpoints) {
            violation(format!(
                "P1: {watch}/{path} was recorded by what is not configured any more"
            ));
        }
        let is_silent = with(|ledger| {
            ledger.committed.entry(*new).or_default().extend(source.endpoints.iter().cloned());
            ledger.silent.contains(new)
        });
        if is_silent && is_untouched(watch, path, *new) {
            violation(format!("P3: {watch}/{path} was there at the first scan, and is announced"));
        }
    }
}

/// Whether nothing happened to a file since its watch was configured: neither to it nor to its name.
fn is_untouched(watch: &Name, path: &RelPath, id: EventId) -> bool {
    let touched = world::with(|w| {
        let epochs = &w.volumes[w.volume_named(watch)?].epochs;
        epochs.current(path).filter(|epoch| epoch.id == id).map(|epoch| epoch.touched)
    });
    touched.zip(held::first_named(watch)).is_some_and(|(touched, named)| touched <= named)
}

/// What a first scan met was recorded silently.
pub(crate) fn recorded_silently(source: &Source, entries: &[Present]) {
    let watch = &source.watch;
    let is_asked =
        |held: &std::rc::Rc<crate::config::checked::Watch>| held.initial == Initial::Baseline;
    if !held::watches_now(watch).iter().any(is_asked) {
        violation(format!("P1: a baseline of {watch}, which is to deliver what is there"));
    }
    let (is_over, is_lost) =
        with(|ledger| (ledger.scanned.contains(watch), ledger.lost.contains(watch)));
    if is_over || is_lost {
        let why = if is_lost { "its database was lost" } else { "its first scan is over" };
        violation(format!("P1: a baseline of {watch}, though {why}"));
    }
    for entry in entries {
        if let Some(why) = unfinished(watch, entry) {
            violation(format!("P1: a baseline takes {watch}/{} for old, {why}", entry.path));
        }
        let id = id(watch, &entry.path, &entry.version);
        with(|ledger| ledger.silent.insert(id));
    }
}

/// Why a file cannot have been there before. Nothing has happened since the scan looked at it.
fn unfinished(watch: &Name, entry: &Present) -> Option<&'static str> {
    let mut terms = held::watches_now(watch);
    let terms = terms.pop()?;
    let id = id(watch, &entry.path, &entry.version);
    world::with(|w| {
        let volume = &w.volumes[w.volume_named(watch)?];
        let asks = terms.writer_detection && volume.policy().lease;
        let epochs = &volume.epochs;
        let marker = terms.done_marker.as_ref().map(|marker| marker.of(&entry.path));
        let Some(epoch) = epochs.current(&entry.path).filter(|epoch| epoch.id == id) else {
            return (!asks).then_some("which is not there like that");
        };
        if asks && epoch.is_written() {
            return Some("which is being written");
        }
        let is_released = marker.is_none_or(|marker| epochs.current(&marker).is_some());
        (!is_released).then_some("whose marker is missing")
    })
}

/// A complete scan of a watch has ended.
pub(crate) fn scanned(source: &Source, scan: &Scanned) {
    if scan.first.is_some() {
        with(|ledger| {
            ledger.scanned.insert(source.watch.clone());
            if scan.first == Some(FirstScan::AfterLoss) {
                ledger.lost.remove(&source.watch);
            }
        });
    }
}

/// The journal said nothing to that. What it wrote may be there all the same, unless it refused.
pub(crate) fn perhaps_silently(source: &Source, entries: &[Present]) {
    if disk::is_dead() || disk::is_troubled() {
        let ids = entries.iter().map(|entry| id(&source.watch, &entry.path, &entry.version));
        with(|ledger| ledger.unsaid.extend(ids));
    }
}

/// Whether a version was recorded silently, or may have been.
pub(crate) fn is_silent(id: EventId) -> bool {
    with(|ledger| ledger.silent.contains(&id) || ledger.unsaid.contains(&id))
}

/// How many versions were.
pub(crate) fn silent() -> u64 {
    with(|ledger| ledger.silent.len() as u64)
}

/// For whom an event was committed; `None` when it was not. What was never answered counts for those that each
/// of the askings named.
pub(crate) fn endpoints_of(id: EventId) -> Option<BTreeSet<Name>> {
    with(|ledger| {
        let committed = ledger.committed.get(&id);
        let unanswered = || ledger.handed.get(&id).filter(|_| disk::is_durable(id));
        committed.or_else(unanswered).cloned()
    })
}

/// For whom an event was committed to a database that was lost.
pub(crate) fn endpoints_before(id: EventId) -> Option<BTreeSet<Name>> {
    with(|ledger| ledger.before.get(&id).cloned())
}

/// Whether an event is on its way to an endpoint, or was, by the database that there is.
pub(crate) fn is_meant_for(id: EventId, endpoint: &Name) -> bool {
    with(|ledger| {
        let found = ledger.committed.get(&id).or_else(|| ledger.handed.get(&id));
        found.is_some_and(|endpoints| endpoints.contains(endpoint))
    })
}

/// Events that are in no database that was lost, with their endpoints.
pub(crate) fn all() -> Vec<(EventId, BTreeSet<Name>)> {
    with(|ledger| ledger.committed.iter().map(|(id, to)| (*id, to.clone())).collect())
}

/// When a hint of a file reached a queue that a daemon reads, if that was since it became what it is.
pub(crate) fn was_heard(watch: &Name, path: &RelPath) -> Option<Duration> {
    world::with(|w| {
        let volume = w.volume_named(watch)?;
        let start = w.volumes[volume].epochs.current(path)?.start;
        w.heard(volume, path).filter(|heard| *heard >= start)
    })
}
