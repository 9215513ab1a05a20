//! What is counted. Each is made ready by one function, which does not count, and done by another.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    arrival::{EventId, Found, Identity, Kind, Name, RelPath, Sample, Sighting, Stamp, Version},
    clock::WallMs,
    config::checked::{Backend, Format, Initial, Watch},
    deliver::{
        request::{Form, Request},
        signature::Signer,
    },
    filesystem::Policy,
    globs::Selection,
    journal::entry::Entry,
    secret::SigningSecret,
    settle::tracker::{Outcome, Tracker},
    watch::rules::{Role, Rules},
};

const QUIET: Duration = Duration::from_secs(2);
const BATCH: usize = 128;
/// The magic number of its file system.
const EXT4: u64 = 0xef53;

/// Files that come at once, as a burst brings them.
pub struct Burst {
    tracker: Tracker,
    sightings: Vec<Sighting>,
    now: Instant,
}

/// A burst of `many` files that nobody has seen yet.
#[must_use]
pub fn burst(many: u64) -> Burst {
    let sightings = (0..many).map(|number| Sighting {
        path: path(number),
        sample: Some(sample(number)),
        found: Found::Event,
    });
    Burst {
        tracker: Tracker::new(QUIET, QUIET),
        sightings: sightings.collect(),
        now: Instant::now(),
    }
}

/// Each is seen, waits for its quiet period, is looked at in batches and is whole. How many were.
#[must_use]
pub fn settle(burst: Burst) -> usize {
    let Burst { mut tracker, sightings, now } = burst;
    for sighting in sightings {
        tracker.sighted(sighting, now);
    }
    let later = now + QUIET;
    let mut whole = 0;
    loop {
        let due = tracker.due(later, BATCH);
        if due.is_empty() {
            return whole;
        }
        whole += due.len();
        for (path, seen) in due {
            let Some(sample) = seen else { continue };
            let looked = Outcome::Looked { sample, policy: Policy::of(EXT4), asked: true };
            let _step = tracker.looked(&path, &looked, later);
        }
    }
}

/// Names, and the watch that judges them.
pub struct Names {
    watch: Watch,
    paths: Vec<RelPath>,
}

/// A watch with the default excludes and two include patterns, and names of each kind.
#[must_use]
pub fn names(many: u64) -> Names {
    let named = |number: u64| {
        let text = match number % 4 {
            0 => format!("scans/2026/report-{number}.pdf"),
            1 => format!("scans/{number}.part"),
            2 => format!("deep/er/still/photo {number}.jpeg"),
            _ => format!(".hidden/{number}"),
        };
        RelPath::from_bytes(text.as_bytes())
    };
    Names { watch: watch(), paths: (0..many).map(named).collect() }
}

/// Each name is judged. How many count.
#[must_use]
pub fn judge(names: &Names) -> usize {
    let rules = Rules::of(&names.watch);
    names.paths.iter().filter(|path| rules.role(path) == Role::Candidate).count()
}

/// Whole files that are to be written down.
pub struct Arrivals(Vec<(RelPath, Version)>);

/// So many of them.
#[must_use]
pub fn arrivals(many: u64) -> Arrivals {
    let version = |number| Version::of(&sample(number), Identity::Inode);
    Arrivals((0..many).map(|number| (path(number), version(number))).collect())
}

/// Id and body of each. How many bytes they are.
#[must_use]
pub fn write_down(Arrivals(arrivals): &Arrivals) -> usize {
    let watch = name("scans");
    let id = |path, version| EventId::of("box", &watch, path, version);
    arrivals.iter().map(|(path, version)| body_of(id(path, version), path, version).len()).sum()
}

/// An endpoint's form, and the stored body of an event.
pub struct Due {
    form: Form,
    event: EventId,
    body: Arc<[u8]>,
}

/// How a request is shaped and signed.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// The stored body, unsigned.
    Plain,
    /// The stored body, signed with one secret.
    Signed,
    /// A CloudEvent made of the stored body, signed.
    CloudEvent,
}

/// What is ready to be sent.
#[must_use]
pub fn due(shape: Shape) -> Due {
    let secrets = match shape {
        Shape::Plain => Vec::new(),
        Shape::Signed | Shape::CloudEvent => {
            SigningSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").into_iter().collect()
        }
    };
    let format =
        if matches!(shape, Shape::CloudEvent) { Format::CloudEvents } else { Format::Json };
    let form = Form::new(name("crm"), format, [], Signer::new(&secrets));
    let (path, version) = (path(1), Version::of(&sample(1), Identity::Inode));
    let event = EventId::of("box", &name("scans"), &path, &version);
    Due { form, event, body: body_of(event, &path, &version).into() }
}

/// The requests of `many` attempts. How many bytes their bodies are.
#[must_use]
pub fn ask(due: &Due, many: u32) -> usize {
    let at = |attempt| due.form.request(due.event, attempt, WallMs(1_772_366_400_000), &due.body);
    (1..=many).map(at).map(|Request { body, .. }| body.len()).sum()
}

fn body_of(id: EventId, path: &RelPath, version: &Version) -> Vec<u8> {
    let watch = name("scans");
    let entry = Entry {
        id,
        instance: "box",
        host: "box.example",
        watch: &watch,
        root: b"/srv/incoming",
        path,
        version,
        generation: 1,
        previous: None,
        initial: false,
        committed_micros: 1_772_366_400_123_456,
    };
    entry.body()
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap_or_else(|| unreachable!("{text} is a name"))
}

fn path(number: u64) -> RelPath {
    RelPath::from_bytes(format!("2026/11/scan-{number:06}.pdf").as_bytes())
}

fn sample(number: u64) -> Sample {
    let stamp = Stamp { sec: 1_772_366_400, nsec: 123_456_789 };
    Sample {
        kind: Kind::File,
        ino: 1000 + number,
        birth: Some(stamp),
        size: 4096,
        mtime: stamp,
        ctime: stamp,
        witness: crate::arrival::Witness::default(),
    }
}

fn watch() -> Watch {
    let include = ["*.pdf".to_owned(), "*.jpeg".to_owned()];
    let selection = Selection::new(&include, &[], true);
    Watch {
        name: name("scans"),
        path: PathBuf::from("/srv/incoming"),
        endpoints: Vec::new(),
        recursive: true,
        max_depth: 64,
        selection: selection.unwrap_or_else(|(glob, _)| unreachable!("{glob} is a glob")),
        size_min: 0,
        size_max: None,
        quiet: QUIET,
        writer_detection: true,
        done_marker: None,
        initial: Initial::Deliver,
        require_mount: false,
        backend: Backend::Auto,
        poll_interval: QUIET,
        rescan_interval: QUIET,
        stuck_after: QUIET,
    }
}
