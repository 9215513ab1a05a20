//! The receivers of the simulation. Every request is judged against what is true when it leaves.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    future::pending,
    time::Duration,
};

use tokio::time::sleep;

use crate::{
    arrival::{EventId, Name, RelPath},
    config::checked::Watch,
    deliver::attempt,
    disk,
    epochs::{Judged, Terms},
    held::{self, Stretch},
    http::{Bytes, Fault, HeaderMap, Reply},
    ledger, world,
};

/// What a receiver does with requests at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Takes,
    /// Answers with this status, and `Retry-After` so many seconds.
    Refuses(u16, Option<u64>),
    /// Nobody listens.
    Down,
    /// Takes the request and never answers.
    Silent,
    /// The connection is lost: half of the time it had taken the request.
    Loses,
}

/// Who carries requests: a clone for each.
#[derive(Clone)]
pub(crate) struct Courier(Name);

impl Courier {
    pub(crate) fn to(endpoint: Name) -> Self {
        Self(endpoint)
    }
}

/// So many refusals may have made a dead letter of an event.
const ATTEMPTS_MIN: u32 = 3;

/// What one endpoint has got, and what it has said.
#[derive(Default)]
pub(crate) struct Endpoint {
    pub(crate) mood: Option<Mood>,
    /// It had no bad mood yet.
    pub(crate) spoiled: bool,
    /// How often each event was taken, and when first.
    pub(crate) taken: BTreeMap<EventId, (u32, Duration)>,
    refused: BTreeMap<EventId, u32>,
}

/// Everything that has been received.
#[derive(Default)]
pub(crate) struct Receivers {
    pub(crate) endpoints: BTreeMap<Name, Endpoint>,
    bodies: BTreeMap<EventId, Bytes>,
    /// The first database of the run was lost: bodies may be made anew.
    pub(crate) database_lost: bool,
    pub(crate) requests: u64,
    pub(crate) violations: Vec<String>,
    pub(crate) history: Option<Vec<String>>,
}

thread_local! {
    static RECEIVERS: RefCell<Receivers> = RefCell::default();
}

pub(crate) fn with<T>(f: impl FnOnce(&mut Receivers) -> T) -> T {
    RECEIVERS.with(|receivers| f(&mut receivers.borrow_mut()))
}

pub(crate) fn create(endpoints: impl Iterator<Item = Name>, with_history: bool) {
    let endpoints = endpoints.map(|name| (name, Endpoint::default())).collect();
    let history = with_history.then(Vec::new);
    with(|receivers| *receivers = Receivers { endpoints, history, ..Receivers::default() });
}

/// Adds a line to the history, if one is kept.
pub(crate) fn tell(line: impl FnOnce() -> String) {
    with(|receivers| {
        if let Some(history) = &mut receivers.history {
            let now = world::with(|w| w.now());
            history.push(format!("{:10.3} s  {}", now.as_secs_f64(), line()));
        }
    });
}

pub(crate) fn violation(what: String) {
    tell(|| format!("VIOLATION {what}"));
    with(|receivers| receivers.violations.push(what));
}

/// What a request says.
struct Said {
    id: EventId,
    previous: Option<EventId>,
    watch: Name,
    path: RelPath,
}

impl Said {
    fn read(headers: &HeaderMap, body: &Bytes) -> Option<Self> {
        let body: serde_json::Value = serde_json::from_slice(body).ok()?;
        let data = body.get("data")?;
        let text = |key: &str| data.get(key).and_then(|value| value.as_str());
        let id = EventId::parse(text("id")?)?;
        let said = headers.get("webhook-id")?.to_str().ok()?;
        (EventId::parse(said) == Some(id)).then_some(())?;
        Some(Self {
            id,
            previous: text("previous_id").and_then(EventId::parse),
            watch: Name::parse(text("watch")?)?,
            path: RelPath::from_bytes(text("rel_path")?.as_bytes()),
        })
    }
}

impl attempt::Courier for Courier {
    async fn post(&self, headers: HeaderMap, body: Bytes) -> Result<Reply, Fault> {
        self.send(headers, body).await
    }

    async fn post_afresh(&self, headers: HeaderMap, body: Bytes) -> Result<Reply, Fault> {
        self.send(headers, body).await
    }
}

impl Courier {
    async fn send(&self, headers: HeaderMap, body: Bytes) -> Result<Reply, Fault> {
        if disk::is_dead() {
            return pending().await; // a process that is dead sends nothing
        }
        let Some(said) = Said::read(&headers, &body) else {
            violation("a request that says nothing".to_owned());
            return Err(Fault::Other);
        };
        judge(&self.0, &said, &body);
        let (way, back, coin) = world::with(|w| {
            let c = &mut w.chance;
            (c.millis(0, 80), c.millis(0, 80), c.percent(50))
        });
        sleep(way).await;
        let mood = with(|r| r.endpoints.get(&self.0).and_then(|e| e.mood)).unwrap_or(Mood::Takes);
        let taken = matches!(mood, Mood::Takes | Mood::Silent) || (mood == Mood::Loses && coin);
        note(&self.0, said.id, taken, mood);
        sleep(back).await;
        match mood {
            Mood::Takes => Ok(Reply { status: 204, ..Reply::default() }),
            Mood::Refuses(status, after) => {
                let retry_after = after.iter().map(|s| s.to_string().into_bytes()).collect();
                Ok(Reply { status, retry_after, ..Reply::default() })
            }
            Mood::Down => Err(Fault::Refused),
            Mood::Silent => {
                sleep(Duration::from_secs(30)).await;
                Err(Fault::Timeout)
            }
            Mood::Loses => Err(Fault::ConnectionLost),
        }
    }
}

fn note(endpoint: &Name, id: EventId, taken: bool, mood: Mood) {
    let now = world::with(|w| w.now());
    tell(|| format!("{endpoint} {mood:?}: {id}"));
    with(|receivers| {
        let Some(endpoint) = receivers.endpoints.get_mut(endpoint) else { return };
        if taken {
            endpoint.taken.entry(id).or_insert((0, now)).0 += 1;
        }
        if mood != Mood::Takes {
            *endpoint.refused.entry(id).or_default() += 1;
        }
    });
}

/// How an announcement compares with what was true; `None` for a watch that there never was.
fn truth(watch: &Name, path: &RelPath, id: EventId) -> Option<Judged> {
    let stretches = held::stretches(watch);
    world::with(|w| {
        let (volume, now) = (&w.volumes[w.volume_named(watch)?], w.now());
        let policy = volume.policy();
        let terms = |stretch: &Stretch| Terms {
            from: stretch.from,
            until: stretch.until.unwrap_or(Duration::MAX),
            quiet: policy.quiet(stretch.watch.quiet, stretch.watch.poll_interval),
            asks: stretch.watch.writer_detection && policy.lease,
            marker: stretch.watch.done_marker.as_ref().map(|marker| marker.of(path)),
        };
        let meant = stretches.iter().filter(|stretch| counts(&stretch.watch, path));
        let terms: Vec<Terms> = meant.map(terms).collect();
        (!stretches.is_empty()).then(|| volume.epochs.judge(path, id, &terms, now))
    })
}

/// Whether a file of this name may be announced.
pub(crate) fn counts(watch: &Watch, path: &RelPath) -> bool {
    let is_marker = watch.done_marker.as_ref().is_some_and(|m| m.released_by(path).is_some());
    watch.selection.takes_file(path) && !is_marker
}

/// P2 to P5, of one request as it leaves.
fn judge(endpoint: &Name, said: &Said, body: &Bytes) {
    let Said { id, previous, watch, path } = said;
    if !held::names_endpoint(endpoint) {
        violation(format!(
            "P1: {id} was sent to {endpoint}, which is not configured: it is parked"
        ));
    }
    match truth(watch, path, *id) {
        Some(Judged::Whole) => {}
        Some(Judged::Early) => {
            violation(format!("P2: {watch}/{path} was announced early, as {id}"));
        }
        Some(Judged::NotMeant) => {
            violation(format!("P2: {watch}/{path} was announced, whose name does not count"));
        }
        Some(Judged::Invented) => {
            violation(format!("P3: {watch}/{path} never was the version of which {id} is the id"));
        }
        None => violation(format!("P3: {id} is of a watch that there is not: {watch}")),
    }
    if !disk::is_durable(*id) {
        violation(format!("P4: {id} of {watch}/{path} was sent before it was on disk"));
    }
    let (changed, overtaken) = with(|r| {
        r.requests += 1;
        let lost = r.database_lost;
        let first = r.bodies.entry(*id).or_insert_with(|| body.clone());
        let endpoint = r.endpoints.get(endpoint);
        let ended = |y: &EventId| {
            endpoint.is_some_and(|e| {
                e.taken.contains_key(y)
                    || e.refused.get(y).is_some_and(|times| *times >= ATTEMPTS_MIN)
            })
        };
        let overtaken = previous.filter(|y| y != id && !ended(y));
        (first != body && !lost, overtaken)
    });
    // Another endpoint may have been added since.
    let overtaken = overtaken.filter(|before| ledger::is_meant_for(*before, endpoint));
    if changed {
        violation(format!("P3: the body of {id} is not what it was"));
    }
    if let Some(before) = overtaken {
        violation(format!("P5: {id} of {watch}/{path} reached {endpoint} before {before}"));
    }
}

/// Whether an endpoint refused an event so often that it may have been given up.
pub(crate) fn may_be_dead((endpoint, id): &(Name, EventId)) -> bool {
    with(|r| {
        let refused = r.endpoints.get(endpoint).and_then(|e| e.refused.get(id));
        refused.is_some_and(|times| *times >= ATTEMPTS_MIN)
    })
}

/// Whether an endpoint has taken an event.
pub(crate) fn has_taken(endpoint: &Name, id: EventId) -> bool {
    with(|r| r.endpoints.get(endpoint).is_some_and(|e| e.taken.contains_key(&id)))
}
