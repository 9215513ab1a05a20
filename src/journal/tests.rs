use std::{fs, path::Path, time::Duration};

use proptest::prelude::*;
use rusqlite::Connection;
use tempfile::TempDir;

use super::{
    arrivals::{Arrivals, Origin, Source},
    outbox::{Deliveries, Wanted},
    retention::RetentionClock,
    store::{self, DATABASE, StoreError},
    tables::Tables,
};
use crate::{
    arrival::{
        Conclusion, DueBatch, FirstScan, Found, Identity, Kind, Name, Present, Recall, Recorded,
        Refusal, RelPath, Sample, Scanned, Settled, Stamp, Version, Witness,
    },
    clock::{self, WallMs},
    config::checked::State,
};

const NOW: WallMs = WallMs(1_800_000_000_000);
const CLOCK: RetentionClock = RetentionClock { now_ms: 5, read_at: NOW };

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn version(content: u64) -> Version {
    let at = Stamp { sec: 1, nsec: 0 };
    let sample = Sample {
        kind: Kind::File,
        ino: content,
        birth: Some(at),
        size: content,
        mtime: at,
        ctime: at,
        witness: Witness::default(),
    };
    Version::of(&sample, Identity::Inode)
}

fn refusal() -> Refusal {
    Refusal { class: "retry", status: Some(503), reason: "busy".into() }
}

/// A journal in a directory of its own, without the writer thread.
struct Bench {
    dir: TempDir,
    db: Connection,
    tables: Tables,
    limits: State,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let limits = State {
            dir: dir.path().to_path_buf(),
            outbox_events_max: 1000,
            outbox_bytes_max: 1 << 20,
            dead_events_max: 10,
        };
        let db = store::open(dir.path(), false).unwrap();
        let tables = Tables::load(&db).unwrap();
        Self { dir, db, tables, limits }
    }

    fn reopened(self) -> Self {
        let Self { dir, db, limits, .. } = self;
        drop(db);
        let db = store::open(dir.path(), false).unwrap();
        let tables = Tables::load(&db).unwrap();
        Self { dir, db, tables, limits }
    }

    fn arrivals(&mut self) -> Arrivals<'_> {
        Arrivals { db: &self.db, tables: &mut self.tables }
    }

    fn deliveries(&mut self) -> Deliveries<'_> {
        Deliveries { db: &self.db, tables: &mut self.tables }
    }

    fn record(&mut self, path: &str, content: u64) -> Recorded {
        let source = Source {
            watch: name("w"),
            root: b"/r".to_vec(),
            endpoints: vec![name("a"), name("b")],
        };
        let settled = Settled {
            path: RelPath::from_bytes(path.as_bytes()),
            version: version(content),
            found: Found::Event,
            since: clock::mono(),
        };
        let origin = Origin { instance: "i".into(), host: "h".into() };
        let limits = self.limits.clone();
        self.arrivals().record(&source, &settled, &origin, &limits, 7).unwrap()
    }

    fn due(&mut self, endpoint: &str) -> DueBatch {
        self.due_beside(endpoint, &[])
    }

    fn due_beside(&mut self, endpoint: &str, held: &[i64]) -> DueBatch {
        let (endpoint, wait_max) = (&name(endpoint), Duration::from_hours(48));
        let wanted = Wanted { endpoint, held, limit: 100, wait_max };
        self.deliveries().due(&wanted, NOW).unwrap()
    }

    fn conclude(&mut self, endpoint: &str, seq: i64, conclusion: &Conclusion) {
        self.deliveries().conclude(&name(endpoint), seq, conclusion, NOW).unwrap();
    }

    fn present(path: &str, content: u64) -> Present {
        Present { path: RelPath::from_bytes(path.as_bytes()), version: version(content) }
    }

    fn recall(&mut self, path: &str, content: u64) -> Recall {
        self.arrivals().recall(&name("w"), &[Self::present(path, content)]).unwrap()[0]
    }
}

fn dead() -> Conclusion {
    Conclusion::Dead { attempts: 3, refusal: refusal() }
}

fn retry(delay: Duration) -> Conclusion {
    Conclusion::Retry { attempts: 1, delay, refusal: refusal() }
}

#[test]
fn p3_a_version_is_recorded_once_and_keeps_its_id_in_a_new_database() {
    let mut bench = Bench::new();
    let Recorded::New(id) = bench.record("f", 1) else { panic!("not new") };
    assert_eq!(bench.record("f", 1), Recorded::AlreadySeen);
    assert_eq!(bench.recall("f", 1), Recall::Known);
    assert_eq!(bench.recall("f", 2), Recall::Unknown);
    assert_eq!(Bench::new().record("f", 1), Recorded::New(id));
}

#[test]
fn p5_the_second_version_waits_until_the_first_has_ended_at_that_endpoint() {
    for end in [Conclusion::Delivered, dead()] {
        let mut bench = Bench::new();
        bench.record("f", 1);
        bench.record("f", 2);
        bench.record("f", 3);
        let first = bench.due("a").events[0].seq;
        assert_eq!(bench.due("a").events.len(), 1);
        bench.conclude("a", first, &retry(Duration::from_secs(9)));
        assert_eq!(bench.due("a").events.len(), 0, "the first is only postponed");
        bench.deliveries().release(&name("a")).unwrap();
        bench.conclude("a", first, &end);
        let second = bench.due("a");
        assert_eq!(second.events.len(), 1);
        assert!(second.events[0].seq > first);
        assert_eq!(bench.due("b").events[0].seq, first, "the other endpoint has its own order");
    }
}

#[test]
fn p5_what_a_lane_still_holds_does_not_hide_what_may_follow_it() {
    let mut bench = Bench::new();
    bench.record("f", 1);
    bench.record("f", 2);
    let first = bench.due("a").events[0].seq;
    bench.conclude("a", first, &Conclusion::Delivered);
    let next = bench.due_beside("a", &[first]);
    assert_eq!(next.events.len(), 1, "concluded, but not yet forgotten by its lane");
}

#[test]
fn a_delivered_event_leaves_nothing_but_the_memory_of_its_version() {
    let mut bench = Bench::new();
    bench.record("f", 1);
    let seq = bench.due("a").events[0].seq;
    bench.conclude("a", seq, &Conclusion::Delivered);
    assert_eq!((bench.tables.events, bench.due("b").events.len()), (1, 1));
    bench.conclude("b", seq, &Conclusion::Delivered);
    assert_eq!((bench.tables.events, bench.tables.bytes), (0, 0));
    let rows: i64 = bench.db.query_row("SELECT count(*) FROM event", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 0);
    assert_eq!(bench.recall("f", 1), Recall::Known);
}

#[test]
fn a_retry_is_due_after_its_delay_and_a_release_makes_it_due_at_once() {
    let mut bench = Bench::new();
    bench.record("f", 1);
    let seq = bench.due("a").events[0].seq;
    bench.conclude("a", seq, &retry(Duration::from_mins(1)));
    let later = bench.due("a");
    assert_eq!((later.events.len(), later.next_in), (0, Some(Duration::from_mins(1))));
    bench.deliveries().release(&name("a")).unwrap();
    assert_eq!(bench.due("a").events[0].attempts, 1);
}

#[test]
fn what_was_stored_under_a_wrong_clock_does_not_wait_for_years() {
    let mut bench = Bench::new();
    bench.record("f", 1);
    let seq = bench.due("a").events[0].seq;
    let far = WallMs(NOW.0 + 1_000_000_000_000);
    bench.deliveries().conclude(&name("a"), seq, &retry(Duration::from_secs(1)), far).unwrap();
    assert_eq!(bench.due("a").events.len(), 1);
}

#[test]
fn p8_a_full_outbox_takes_nothing_and_forgets_nothing() {
    let mut bench = Bench::new();
    bench.limits.outbox_events_max = 2;
    assert!(matches!(bench.record("1", 1), Recorded::New(_)));
    assert!(matches!(bench.record("2", 1), Recorded::New(_)));
    assert_eq!(bench.record("3", 1), Recorded::NoRoom);
    assert_eq!(bench.record("1", 1), Recorded::AlreadySeen);
    let seq = bench.due("a").events[0].seq;
    for endpoint in ["a", "b"] {
        bench.conclude(endpoint, seq, &Conclusion::Delivered);
    }
    assert!(matches!(bench.record("3", 1), Recorded::New(_)));
}

#[test]
fn p8_what_is_parked_for_an_endpoint_that_is_not_configured_takes_no_room() {
    let mut bench = Bench::new();
    bench.record("f", 1);
    bench.record("f", 2);
    let first = bench.due("a").events[0].seq;
    bench.conclude("a", first, &Conclusion::Delivered);
    bench.deliveries().match_configuration(&[name("a")]).unwrap();
    assert_eq!((bench.tables.events, bench.due("b").events.len()), (1, 0), "only a counts");
    bench.deliveries().match_configuration(&[name("a"), name("b")]).unwrap();
    assert_eq!(bench.tables.events, 2);
    assert_eq!(bench.due("b").events[0].seq, first, "back, and in order");
}

#[test]
fn p8_the_oldest_dead_letters_go_first() {
    let mut bench = Bench::new();
    for n in 0..5 {
        bench.record(&n.to_string(), 1);
    }
    let seqs: Vec<i64> = bench.due("a").events.iter().map(|due| due.seq).collect();
    for seq in &seqs {
        bench.conclude("a", *seq, &dead());
        bench.conclude("b", *seq, &Conclusion::Delivered);
    }
    assert_eq!(bench.deliveries().bury_oldest(2).unwrap(), 3);
    let left: Vec<i64> = {
        let mut left = bench.db.prepare("SELECT seq FROM event ORDER BY seq").unwrap();
        left.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    assert_eq!(left, seqs[3..]);
}

#[test]
fn a_baseline_is_silent_and_its_next_version_is_the_first_generation() {
    let mut bench = Bench::new();
    bench.arrivals().baseline(&name("w"), &[Bench::present("f", 1)]).unwrap();
    assert_eq!(bench.record("f", 1), Recorded::AlreadySeen);
    assert!(matches!(bench.record("f", 2), Recorded::New(_)));
    let body = String::from_utf8(bench.due("a").events[0].body.to_vec()).unwrap();
    assert!(body.contains(r#""generation":1,"previous_id":null"#), "{body}");
}

#[test]
fn a_file_that_was_away_and_comes_back_the_same_is_not_announced_again() {
    let mut bench = Bench::new();
    bench.record("f", 1);
    let path = RelPath::from_bytes(b"f");
    bench.arrivals().gone(&name("w"), std::slice::from_ref(&path), CLOCK).unwrap();
    assert!(bench.arrivals().remembered(&name("w"), &RelPath::root()).unwrap().is_empty());
    assert_eq!(bench.recall("f", 1), Recall::Unknown, "it has to settle before it counts as back");
    assert_eq!(bench.record("f", 1), Recorded::AlreadySeen);
    assert_eq!(bench.arrivals().remembered(&name("w"), &RelPath::root()).unwrap(), [path]);
}

#[test]
fn the_first_scan_ends_once_and_a_loss_is_no_baseline() {
    let mut bench = Bench::new();
    let watch = name("w");
    assert_eq!(bench.arrivals().first_scan(&watch).unwrap(), Some(FirstScan::AsConfigured));
    bench.db.execute("INSERT INTO meta (key, value) VALUES ('lost', 1)", []).unwrap();
    assert!(bench.arrivals().settle_loss(std::slice::from_ref(&watch)).unwrap());
    assert!(!bench.arrivals().settle_loss(&[name("later")]).unwrap(), "told once");
    assert_eq!(bench.arrivals().first_scan(&name("later")).unwrap(), Some(FirstScan::AsConfigured));
    assert_eq!(bench.arrivals().first_scan(&watch).unwrap(), Some(FirstScan::AfterLoss));
    bench.arrivals().scanned(&watch, Scanned { known: 0, filesystem: 9 }).unwrap();
    assert_eq!(bench.arrivals().first_scan(&watch).unwrap(), None);
}

#[test]
fn another_file_system_is_no_reason_to_forget() {
    let mut bench = Bench::new();
    bench.record("f", 1);
    let scan = |bench: &mut Bench, known, filesystem| {
        bench.arrivals().scanned(&name("w"), Scanned { known, filesystem }).unwrap()
    };
    assert!(!scan(&mut bench, 0, 9), "never scanned before");
    assert!(scan(&mut bench, 0, 9), "the same file system, and a file is missing");
    assert!(!scan(&mut bench, 1, 9), "nothing is missing");
    assert!(!scan(&mut bench, 0, 8), "something else is mounted there");
}

#[test]
fn p1_damage_is_told_from_a_disk_that_fails() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 3] = [
        ("garbage", |file| fs::write(file, vec![b'x'; 20_000]).unwrap()),
        ("zeroes", |file| fs::write(file, vec![0; 20_000]).unwrap()),
        ("another program's", |file| {
            fs::remove_file(file).unwrap();
            let other = Connection::open(file).unwrap();
            other.execute_batch("CREATE TABLE t (x); PRAGMA user_version = 99;").unwrap();
        }),
    ];
    for (what, damage) in damages {
        let mut bench = Bench::new();
        bench.record("f", 1);
        let Bench { dir, db, .. } = bench;
        drop(db);
        damage(&dir.path().join(DATABASE));
        let opened = store::open(dir.path(), true).map(drop);
        assert!(matches!(opened, Err(StoreError::Damaged(_))), "{what}: {opened:?}");
        store::set_aside(dir.path(), NOW, what).unwrap();
        let kept = dir.path().join(format!("{DATABASE}.damaged-{}", NOW.0));
        assert!(kept.exists(), "{what}: not kept");
        store::open(dir.path(), true).unwrap();
    }
    let nowhere = store::open(Path::new("/nonexistent/dir"), true).map(drop);
    assert!(matches!(nowhere, Err(StoreError::Reopen(_))), "{nowhere:?}");
}

#[derive(Clone, Debug)]
enum Op {
    Record(u8, u8),
    Deliver(bool),
    Retry(bool),
    Die(bool),
    Release(bool),
    Reopen,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..3_u8, 0..4_u8).prop_map(|(path, content)| Op::Record(path, content)),
        3 => any::<bool>().prop_map(Op::Deliver),
        1 => any::<bool>().prop_map(Op::Retry),
        1 => any::<bool>().prop_map(Op::Die),
        1 => any::<bool>().prop_map(Op::Release),
        1 => Just(Op::Reopen),
    ]
}

fn end_first(bench: &mut Bench, a: bool, conclusion: &Conclusion) {
    let endpoint = if a { "a" } else { "b" };
    if let Some(first) = bench.due(endpoint).events.first().map(|due| due.seq) {
        bench.conclude(endpoint, first, conclusion);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn counts_stay_true_and_no_path_is_due_twice(ops in prop::collection::vec(op(), 1..40)) {
        let mut bench = Bench::new();
        let mut last_seq = 0;
        for op in ops {
            match op {
                Op::Record(path, content) => drop(bench.record(&path.to_string(), content.into())),
                Op::Deliver(a) => end_first(&mut bench, a, &Conclusion::Delivered),
                Op::Retry(a) => end_first(&mut bench, a, &retry(Duration::from_mins(1))),
                Op::Die(a) => end_first(&mut bench, a, &dead()),
                Op::Release(a) => bench.deliveries().release(&name(if a { "a" } else { "b" })).unwrap(),
                Op::Reopen => bench = bench.reopened(),
            }
            let fresh = Tables::load(&bench.db).unwrap();
            let counts = |tables: &Tables| {
                let mut waiting: Vec<_> = tables.waiting.iter().filter(|(_, n)| **n > 0).collect();
                waiting.sort_unstable();
                format!("{waiting:?} {} {} {}", tables.events, tables.bytes, tables.dead)
            };
            prop_assert_eq!(counts(&fresh), counts(&bench.tables));
            for endpoint in ["a", "b"] {
                let mut paths: Vec<_> = bench.due(endpoint).events.into_iter().map(|due| due.path).collect();
                let count = paths.len();
                paths.sort_unstable();
                paths.dedup();
                prop_assert_eq!(paths.len(), count, "one path twice");
            }
            let seq: Option<i64> =
                bench.db.query_row("SELECT max(seq) FROM event", [], |row| row.get(0)).unwrap();
            if let Some(seq) = seq {
                last_seq = last_seq.max(seq);
            }
        }
        bench = bench.reopened();
        bench.record("new", 99);
        let seq: i64 = bench.db.query_row("SELECT max(seq) FROM event", [], |row| row.get(0)).unwrap();
        prop_assert!(seq > last_seq, "a sequence number was used again");
    }
}
