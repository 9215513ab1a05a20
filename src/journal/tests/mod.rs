mod damaged;
mod forgetting;

use std::{fs, path::Path, time::Duration};

use proptest::prelude::*;
use rusqlite::Connection;
use tempfile::TempDir;

use super::{
    arrivals::{Arrivals, Origin},
    configured::{Configured, Room},
    look::{Filter, Place, Row, State},
    outbox::Deliveries,
    remedy::{Remedied, Remedy},
    retention::RetentionClock,
    source::Source,
    store::{self, DATABASE, StoreError},
    tables::{Backlog, Carried, Tables},
};
use crate::{
    arrival::{
        Conclusion, DueBatch, FirstScan, Found, Identity, Kind, Name, Present, Recall, Recorded,
        Refusal, RelPath, Sample, Scanned, Settled, Stamp, UrlPrint, Version, Witness,
    },
    clock::{self, WallMs},
};

const NOW: WallMs = WallMs(1_800_000_000_000);
const CLOCK: RetentionClock = RetentionClock { now_ms: 5, read_at: NOW };

/// Rows of the attempt log.
const ATTEMPTS_MAX: u64 = 40;

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
    let took = Duration::from_millis(7);
    let (reason, answer) = ("busy".into(), "busy, come again".into());
    Refusal { class: "retry", status: Some(503), reason, answer, took }
}

/// A journal in a directory of its own, without the writer thread.
struct Bench {
    dir: TempDir,
    db: Connection,
    tables: Tables,
    room: Room,
    /// How long from now files are first seen.
    later: Duration,
}

impl Bench {
    fn new() -> Self {
        Self::in_dir(tempfile::tempdir().unwrap(), &["a", "b"], 0)
    }

    fn in_dir(dir: TempDir, endpoints: &[&str], seq_floor: i64) -> Self {
        let room = Room { events: 1000, bytes: 1 << 20 };
        let has_ops = endpoints.contains(&"ops");
        let endpoints = endpoints.iter().map(|text| name(text)).collect();
        let watches = vec![name("w")];
        let state_dir = dir.path().to_path_buf();
        let configured = Configured {
            dir: state_dir,
            watches,
            endpoints,
            operations: Some(name("ops")).filter(|_| has_ops),
            room,
            dead_max: 10,
            attempts_max: ATTEMPTS_MAX,
        };
        let db = store::open(dir.path(), false, true).unwrap().db;
        configured.apply(&db, NOW).unwrap();
        let tables = Tables::load(&db, Carried { seq_floor, ..Carried::default() }).unwrap();
        Self { dir, db, tables, room, later: Duration::ZERO }
    }

    fn reopened(self) -> Self {
        self.reopened_with(&["a", "b"])
    }

    fn reopened_with(self, endpoints: &[&str]) -> Self {
        let Self { dir, db, .. } = self;
        drop(db);
        Self::in_dir(dir, endpoints, 0)
    }

    fn arrivals(&mut self) -> Arrivals<'_> {
        Arrivals::new(&self.db, &mut self.tables)
    }

    fn deliveries(&mut self) -> Deliveries<'_> {
        Deliveries::new(&self.db, &mut self.tables)
    }

    fn record(&mut self, path: &str, content: u64) -> Recorded {
        self.record_for(&["a", "b"], path, content)
    }

    fn record_for(&mut self, endpoints: &[&str], path: &str, content: u64) -> Recorded {
        let endpoints = endpoints.iter().map(|text| name(text)).collect();
        let retired = false.into();
        let source = Source { watch: name("w"), root: b"/r".to_vec(), endpoints, retired };
        let settled = Settled {
            path: RelPath::from_bytes(path.as_bytes()),
            version: version(content),
            found: Found::Event,
            since: clock::mono() + self.later,
        };
        let origin = Origin { instance: "i".into(), host: "h".into() };
        let room = self.room;
        self.arrivals().record(&source, &settled, &origin, room, 7).unwrap()
    }

    /// A scan that was begun as the journal stands now.
    fn scanned(&mut self, known: u64, filesystem: u64) -> bool {
        let watch = name("w");
        let first = self.arrivals().first_scan(&watch).unwrap();
        let scan = Scanned { known, filesystem, first };
        self.arrivals().scanned(&watch, scan).unwrap().expect("begun with this database")
    }

    fn due(&mut self, endpoint: &str) -> DueBatch {
        self.due_beside(endpoint, &[])
    }

    fn due_beside(&mut self, endpoint: &str, held: &[i64]) -> DueBatch {
        self.deliveries().due(&name(endpoint), held, 100, NOW).unwrap()
    }

    fn conclude(&mut self, endpoint: &str, seq: i64, conclusion: &Conclusion) {
        self.deliveries().conclude(&name(endpoint), seq, conclusion, NOW).unwrap();
    }

    /// A failed attempt, as the writer stores it.
    fn fails(&mut self, endpoint: &str, seq: i64, conclusion: &Conclusion) {
        self.conclude(endpoint, seq, conclusion);
        let refusal = conclusion.refusal().unwrap();
        let mut deliveries = self.deliveries();
        deliveries.log(&name(endpoint), seq, refusal, NOW, ATTEMPTS_MAX).unwrap();
    }

    fn attempts(&self, seq: i64) -> u64 {
        let sql = "SELECT count(*) FROM attempt WHERE seq = ?1";
        self.db.query_row(sql, [seq], |row| row.get(0)).unwrap()
    }

    /// What an operator does to everything at this endpoint.
    fn treat(&mut self, remedy: Remedy, endpoint: &str) -> Vec<(Row, Remedied)> {
        let endpoints = vec![name("a"), name("b")];
        let filter = Filter { endpoint: Some(endpoint.into()), ..Filter::default() };
        let asked = (&filter, Place::START);
        self.deliveries().treat(remedy, asked, &endpoints).unwrap().events
    }

    /// Deliveries that may go although an older version of the same path has not ended.
    fn out_of_order(&self) -> u64 {
        let sql = "SELECT count(*) FROM delivery d JOIN event e ON e.seq = d.seq
                   WHERE d.state = 0 AND d.behind IS NULL AND EXISTS (
                     SELECT 1 FROM delivery od JOIN event oe ON oe.seq = od.seq
                     WHERE oe.watch = e.watch AND oe.path = e.path AND od.endpoint = d.endpoint
                       AND od.seq < d.seq AND od.state IN (0, 2))";
        self.db.query_row(sql, [], |row| row.get(0)).unwrap()
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
    assert_eq!(bench.tables.events, 0);
    let rows: i64 = bench.db.query_row("SELECT count(*) FROM event", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 0);
    assert_eq!(bench.recall("f", 1), Recall::Known);
}

#[test]
fn the_attempt_log_has_the_last_attempts_of_each_delivery_and_goes_with_it() {
    let mut bench = Bench::new();
    bench.record("f", 1);
    let seq = bench.due("a").events[0].seq;
    for _ in 0..13 {
        bench.fails("a", seq, &retry(Duration::ZERO));
    }
    bench.fails("b", seq, &dead());
    assert_eq!(bench.attempts(seq), 11, "ten of one endpoint, one of the other");
    bench.conclude("a", seq, &Conclusion::Delivered);
    assert_eq!(bench.attempts(seq), 1, "those of the dead letter stay");
    bench.fails("a", seq, &retry(Duration::ZERO));
    assert_eq!(bench.attempts(seq), 1, "what is no longer there has no attempts");
    assert_eq!(bench.deliveries().bury_oldest(0, 9).unwrap(), 1);
    assert_eq!(bench.attempts(seq), 0);
}

#[test]
fn p8_the_attempt_log_as_a_whole_is_bounded_and_its_oldest_rows_go_first() {
    let mut bench = Bench::new();
    let mut seqs = Vec::new();
    for number in 0..30 {
        bench.record_for(&["a"], &format!("f{number}"), number);
        seqs.push(bench.tables.carried().seq_floor);
        for _ in 0..3 {
            bench.fails("a", *seqs.last().unwrap(), &retry(Duration::ZERO));
            let rows = super::attempts::count(&bench.db).unwrap();
            assert!(rows <= ATTEMPTS_MAX && rows <= bench.tables.attempts, "{rows}");
        }
    }
    assert_eq!(bench.attempts(seqs[0]), 0);
    assert_eq!(bench.attempts(seqs[29]), 3);
}

#[test]
fn p3_a_dead_letter_that_is_sent_again_keeps_id_and_body_and_gets_all_its_attempts() {
    let mut bench = Bench::new();
    bench.record_for(&["a"], "f", 1);
    let before = bench.due("a").events.remove(0);
    bench.conclude("a", before.seq, &dead());
    assert_eq!((bench.tables.dead, bench.tables.events), (1, 0));
    let treated = bench.treat(Remedy::Retry, "a");
    assert_eq!((treated[0].0.state, treated[0].1), (State::Dead, Remedied::Done));
    assert_eq!((bench.tables.dead, bench.tables.events), (0, 1));
    let batch = bench.due("a");
    let after = &batch.events[0];
    assert_eq!((after.event, &after.body, after.attempts), (before.event, &before.body, 0));
    assert!(batch.replayed, "the lane begins slowly");
    assert!(!bench.due("a").replayed, "and is told once");
}

#[test]
fn p5_a_dead_letter_that_is_sent_again_goes_before_newer_versions_and_after_older_ones() {
    let mut bench = Bench::new();
    for content in 1..=4 {
        bench.record_for(&["a"], "f", content);
    }
    let mut seqs = Vec::new();
    for dies in [true, true, false] {
        let first = bench.due("a").events.remove(0).seq;
        seqs.push(first);
        if dies {
            bench.conclude("a", first, &dead());
        }
    }
    assert_eq!(bench.treat(Remedy::Retry, "a").len(), 4);
    let mut order = Vec::new();
    while let Some(due) = bench.due("a").events.first() {
        order.push(due.seq);
        bench.conclude("a", due.seq, &Conclusion::Delivered);
    }
    assert_eq!(order.len(), 4);
    assert!(order.is_sorted() && order.starts_with(&seqs), "{order:?} {seqs:?}");
}

#[test]
fn what_is_discarded_is_gone_and_lets_the_next_version_go() {
    let mut bench = Bench::new();
    bench.record_for(&["a"], "f", 1);
    let first = bench.due("a").events.remove(0).seq;
    bench.record_for(&["a"], "g", 1);
    let filter = Filter { path: Some("f".parse().unwrap()), ..Filter::default() };
    let endpoints = [name("a"), name("b")];
    bench.record_for(&["a"], "f", 2);
    let asked = (&Filter { since_ms: Some(0), ..filter.clone() }, Place::START);
    let listed = super::look::page(&bench.db, &filter, Place::START, 10).unwrap().events;
    assert_eq!(listed.len(), 2);
    let only_first = Filter { ids: vec![bench.due("a").events[0].event], ..filter };
    let asked = (&only_first, asked.1);
    let treated = bench.deliveries().treat(Remedy::Discard, asked, &endpoints).unwrap();
    assert_eq!(treated.events.len(), 1);
    assert_eq!(bench.deliveries().missing(&name("a"), &[first]).unwrap(), [first]);
    let due = bench.due("a").events;
    assert_eq!(due.len(), 2, "the other file, and the next version");
    assert!(due.iter().all(|due| due.seq != first));
}

#[test]
fn what_cannot_be_sent_is_not_sent_again() {
    let mut bench = Bench::new();
    bench.record("f", 1);
    for endpoint in ["a", "b"] {
        let seq = bench.due(endpoint).events[0].seq;
        bench.conclude(endpoint, seq, &dead());
    }
    bench.deliveries().park(&name("b"), UrlPrint([1; 16])).unwrap();
    let parked = bench.treat(Remedy::Retry, "b");
    assert_eq!(parked[0].1, Remedied::EndpointParked);
    assert_eq!(bench.deliveries().resume(&name("b")).unwrap(), Some(true));
    assert_eq!(bench.deliveries().resume(&name("b")).unwrap(), Some(false));
    assert_eq!(bench.deliveries().resume(&name("c")).unwrap(), None);
    assert_eq!(bench.treat(Remedy::Retry, "b")[0].1, Remedied::Done);
    let filter = Filter { endpoint: Some("a".into()), ..Filter::default() };
    let asked = (&filter, Place::START);
    let gone = bench.deliveries().treat(Remedy::Retry, asked, &[name("b")]).unwrap();
    assert_eq!(gone.events[0].1, Remedied::NotConfigured);
}

#[test]
fn a_delivery_at_the_first_attempt_writes_nothing_to_the_attempt_log() {
    let mut bench = Bench::new();
    bench.record("f", 1);
    let seq = bench.due("a").events[0].seq;
    bench.conclude("a", seq, &Conclusion::Delivered);
    let next: Option<i64> =
        bench.db.query_row("SELECT max(id) FROM attempt", [], |row| row.get(0)).unwrap();
    assert_eq!((bench.attempts(seq), next), (0, None));
}

#[test]
fn p1_a_journal_of_the_first_version_keeps_its_events_and_gets_the_attempt_log() {
    let dir = tempfile::tempdir().unwrap();
    let old = Connection::open(dir.path().join(DATABASE)).unwrap();
    old.execute_batch(super::schema::MIGRATIONS[0]).unwrap();
    old.execute_batch(&format!(
        "INSERT INTO meta (key, value) VALUES ('min_reader', 1);
         INSERT INTO watch (name, first_scan) VALUES ('w', 1);
         INSERT INTO endpoint (name) VALUES ('a');
         INSERT INTO event VALUES (9, zeroblob(16), 1, x'66', 5, x'7b7d');
         INSERT INTO delivery (seq, endpoint, state, next_ms, attempts) VALUES (9, 1, 0, 0, 2);
         PRAGMA application_id = {}; PRAGMA user_version = 1;",
        super::schema::APPLICATION_ID
    ))
    .unwrap();
    drop(old);
    let mut bench = Bench::in_dir(dir, &["a", "b"], 0);
    let due = bench.due("a").events.remove(0);
    assert_eq!((due.seq, due.attempts, &*due.body), (9, 2, b"{}".as_slice()));
    bench.fails("a", 9, &retry(Duration::ZERO));
    assert_eq!(bench.attempts(9), 1);
    let sql = "SELECT value FROM meta WHERE key = 'min_reader'";
    let min_reader: i64 = bench.db.query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(min_reader, 1, "a binary that was rolled back can still use it");
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
fn what_was_stored_under_a_clock_that_ran_ahead_is_due_after_a_restart() {
    let mut bench = Bench::new();
    bench.record("f", 1);
    let seq = bench.due("a").events[0].seq;
    let far = WallMs(NOW.0 + 1_000_000_000_000);
    bench.deliveries().conclude(&name("a"), seq, &retry(Duration::from_secs(1)), far).unwrap();
    assert_eq!(bench.reopened().due("a").events.len(), 1);
}

#[test]
fn a_clock_that_is_set_back_does_not_make_a_retry_wait_longer() {
    let mut bench = Bench::new();
    bench.record("f", 1);
    let seq = bench.due("a").events[0].seq;
    let ahead = WallMs(NOW.0 + 86_400_000);
    bench.deliveries().conclude(&name("a"), seq, &retry(Duration::from_secs(5)), ahead).unwrap();
    bench.deliveries().set_back(Duration::from_hours(24)).unwrap();
    assert_eq!(bench.due("a").next_in, Some(Duration::from_secs(5)));
}

#[test]
fn p1_a_database_that_replaces_another_gives_no_sequence_number_twice() {
    let mut bench = Bench::new();
    bench.record("f", 1);
    let held = bench.due("a").events[0].seq;
    let mut other =
        Bench::in_dir(tempfile::tempdir().unwrap(), &["a", "b"], bench.tables.carried().seq_floor);
    for n in 0..20 {
        other.record(&n.to_string(), 1);
    }
    other.conclude("a", held, &Conclusion::Delivered);
    assert_eq!(other.due("a").events.len(), 20, "what a lane still held ended something else");
}

#[test]
fn a_batch_that_is_cut_by_its_size_says_that_there_is_more() {
    let mut bench = Bench::new();
    bench.room.bytes = u64::MAX;
    for n in 0..80 {
        bench.record(&format!("{n}-{}", "\u{1}".repeat(3000)), 1);
    }
    let first = bench.due("a");
    assert!(first.more && first.events.len() < 80, "{} events", first.events.len());
    let held: Vec<i64> = first.events.iter().map(|due| due.seq).collect();
    assert!(!bench.due_beside("a", &held).events.is_empty());
}

#[test]
fn p8_a_full_outbox_takes_nothing_and_forgets_nothing() {
    let mut bench = Bench::new();
    bench.room.events = 2;
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
fn p6_an_endpoint_that_is_full_leaves_the_room_of_the_others() {
    let mut bench = Bench::new();
    bench.room.events = 2;
    for path in ["1", "2"] {
        assert!(matches!(bench.record_for(&["a"], path, 1), Recorded::New(_)));
    }
    assert_eq!(bench.record_for(&["a"], "3", 1), Recorded::NoRoom);
    assert!(matches!(bench.record_for(&["b"], "3", 1), Recorded::New(_)));
}

#[test]
fn p8_what_is_parked_for_an_endpoint_that_is_not_configured_takes_no_room() {
    let mut bench = Bench::new();
    bench.record("f", 1);
    bench.record("f", 2);
    let first = bench.due("a").events[0].seq;
    bench.conclude("a", first, &Conclusion::Delivered);
    let bench = bench.reopened_with(&["a"]);
    assert_eq!(bench.tables.events, 1, "only a counts");
    let b = bench.tables.endpoint(&name("b")).unwrap();
    assert_eq!(bench.tables.backlog(b), Backlog::default());
    let mut bench = bench.reopened();
    assert_eq!(bench.tables.events, 2);
    assert_eq!(bench.due("b").events[0].seq, first, "back, and in order");
}

#[test]
fn p5_order_holds_for_an_endpoint_that_was_away_for_a_version() {
    let mut bench = Bench::new();
    bench.record_for(&["a", "b"], "f", 1);
    let first = bench.due("a").events[0].seq;
    let mut bench = bench.reopened_with(&["b"]);
    bench.record_for(&["b"], "f", 2);
    let mut bench = bench.reopened();
    bench.record_for(&["a", "b"], "f", 3);
    let due: Vec<i64> = bench.due("a").events.iter().map(|due| due.seq).collect();
    assert_eq!(due, [first]);
}

#[test]
fn p3_a_file_that_is_back_at_a_version_still_on_its_way_is_the_same_arrival() {
    let mut bench = Bench::new();
    bench.record("f", 1);
    bench.record("f", 2);
    assert_eq!(bench.record("f", 1), Recorded::AlreadySeen);
    assert_eq!(bench.recall("f", 1), Recall::Known);
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
    assert_eq!(bench.deliveries().bury_oldest(2, 9).unwrap(), 3);
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
    bench.scanned(0, 9);
    bench.later = Duration::from_mins(1);
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
fn p1_what_lands_while_a_baseline_is_recorded_is_announced() {
    let mut bench = Bench::new();
    let watch = name("w");
    bench.arrivals().baseline(&watch, &[Bench::present("moved in", 1)]).unwrap();
    assert!(matches!(bench.record("moved in", 1), Recorded::New(_)), "an event told of it");
    bench.arrivals().baseline(&watch, &[Bench::present("old", 1)]).unwrap();
    bench.scanned(0, 9);
    bench.later = Duration::from_mins(1);
    assert_eq!(bench.record("old", 1), Recorded::AlreadySeen, "a chmod long after the scan");
}

#[test]
fn the_first_scan_ends_once_and_a_loss_is_no_baseline() {
    let mut bench = Bench::new();
    let watch = name("w");
    assert_eq!(bench.arrivals().first_scan(&watch).unwrap(), Some(FirstScan::AsConfigured));
    bench.db.execute("INSERT INTO meta (key, value) VALUES ('lost', 1)", []).unwrap();
    let mut bench = bench.reopened();
    assert_eq!(bench.arrivals().first_scan(&watch).unwrap(), Some(FirstScan::AfterLoss));
    bench.scanned(0, 9);
    let mut bench = bench.reopened();
    assert_eq!(bench.arrivals().first_scan(&watch).unwrap(), None);
}

#[test]
fn a_scan_that_was_begun_with_another_database_ends_no_first_scan_and_records_no_baseline() {
    let bench = Bench::new();
    let (watch, first) = (name("w"), Some(FirstScan::AsConfigured));
    bench.db.execute("INSERT INTO meta (key, value) VALUES ('lost', 1)", []).unwrap();
    let mut bench = bench.reopened();
    assert!(!bench.arrivals().baseline(&watch, &[Bench::present("f", 1)]).unwrap());
    let scan = Scanned { known: 0, filesystem: 9, first };
    assert_eq!(bench.arrivals().scanned(&watch, scan).unwrap(), None);
    assert_eq!(bench.arrivals().first_scan(&watch).unwrap(), Some(FirstScan::AfterLoss));
}

#[test]
fn a_file_that_is_back_at_a_version_that_is_dead_is_announced_again() {
    let mut bench = Bench::new();
    bench.record("f", 1);
    for endpoint in ["a", "b"] {
        let seq = bench.due(endpoint).events[0].seq;
        bench.conclude(endpoint, seq, &dead());
    }
    bench.record("f", 2);
    assert!(matches!(bench.record("f", 1), Recorded::New(_)));
}

#[test]
fn p8_free_pages_go_back_to_the_file_system() {
    let mut bench = Bench::new();
    bench.room.events = u64::MAX;
    for n in 0..3000 {
        bench.record(&format!("{n:0200}"), 1);
    }
    bench.db.execute_batch("DELETE FROM event; DELETE FROM delivery;").unwrap();
    let free = |bench: &Bench| -> i64 {
        bench.db.pragma_query_value(None, "freelist_count", |row| row.get(0)).unwrap()
    };
    let before = free(&bench);
    store::give_back(&bench.db).unwrap();
    assert!(
        before > 256 && free(&bench) <= before.saturating_sub(256),
        "{before} to {}",
        free(&bench)
    );
}

#[test]
fn another_file_system_is_no_reason_to_forget() {
    let mut bench = Bench::new();
    bench.record("f", 1);
    let scan = |bench: &mut Bench, known, filesystem| bench.scanned(known, filesystem);
    assert!(!scan(&mut bench, 0, 9), "never scanned before");
    assert!(scan(&mut bench, 0, 9), "the same file system, and a file is missing");
    assert!(!scan(&mut bench, 1, 9), "nothing is missing");
    for _ in 0..3 {
        assert!(!scan(&mut bench, 0, 8), "something else, and empty, is mounted there");
    }
    assert!(!scan(&mut bench, 1, 8), "what is remembered is there: it is the same on another disk");
    assert!(scan(&mut bench, 0, 8), "and now a file is missing");
}

#[test]
fn a_statement_is_parsed_once_whatever_is_bound_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let db = store::open(dir.path(), false, true).unwrap().db;
    let sql = "SELECT count(*) FROM delivery WHERE endpoint = ?1 AND state = 0 AND behind IS NULL AND next_ms > ?2";
    for bound in 0..5 {
        let mut cached = db.prepare_cached(sql).unwrap();
        cached.query_row([bound, bound], |row| row.get::<_, i64>(0)).unwrap();
    }
    let again = db.prepare_cached(sql).unwrap().get_status(rusqlite::StatementStatus::RePrepare);
    assert_eq!(again, 0);
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
        let opened = store::open(dir.path(), true, true).map(drop);
        assert!(matches!(opened, Err(StoreError::Damaged(_))), "{what}: {opened:?}");
        store::set_aside(dir.path(), NOW, what).unwrap();
        let kept = dir.path().join(format!("{DATABASE}.damaged-{}", NOW.0));
        assert!(kept.exists(), "{what}: not kept");
        store::open(dir.path(), true, true).unwrap();
    }
    let nowhere = store::open(Path::new("/nonexistent/dir"), true, true).map(drop);
    assert!(matches!(nowhere, Err(StoreError::Reopen(_))), "{nowhere:?}");
}

#[derive(Clone, Debug)]
enum Op {
    Record(u8, u8),
    Deliver(bool),
    Retry(bool),
    Die(bool),
    Release(bool),
    Treat(Remedy, bool),
    Reopen,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..3_u8, 0..4_u8).prop_map(|(path, content)| Op::Record(path, content)),
        3 => any::<bool>().prop_map(Op::Deliver),
        1 => any::<bool>().prop_map(Op::Retry),
        1 => any::<bool>().prop_map(Op::Die),
        1 => any::<bool>().prop_map(Op::Release),
        1 => any::<bool>().prop_map(|a| Op::Treat(Remedy::Retry, a)),
        1 => any::<bool>().prop_map(|a| Op::Treat(Remedy::Discard, a)),
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
                Op::Treat(remedy, a) => drop(bench.treat(remedy, if a { "a" } else { "b" })),
                Op::Reopen => bench = bench.reopened(),
            }
            let fresh = Tables::load(&bench.db, Carried::default()).unwrap();
            let counts = |tables: &Tables| {
                let backlog = |text: &str| tables.backlog(tables.endpoint(&name(text)).unwrap());
                (backlog("a"), backlog("b"), tables.events, tables.dead)
            };
            prop_assert_eq!(counts(&fresh), counts(&bench.tables));
            let live = bench.tables.live(&bench.db, 1).unwrap();
            let remembered = bench.arrivals().remembered(&name("w"), &RelPath::root()).unwrap().len();
            prop_assert_eq!(live, remembered as u64);
            for endpoint in ["a", "b"] {
                let mut paths: Vec<_> = bench.due(endpoint).events.into_iter().map(|due| due.path).collect();
                let count = paths.len();
                paths.sort_unstable();
                paths.dedup();
                prop_assert_eq!(paths.len(), count, "one path twice");
            }
            prop_assert_eq!(bench.out_of_order(), 0, "a newer version goes first");
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

mod notices {
    use super::*;
    use crate::{
        journal::notices::NOTICES_MAX,
        notice::{About, Kind, Notice, Told},
    };

    const ENDPOINTS: &[&str] = &["a", "b", "ops"];

    fn bench() -> Bench {
        Bench::in_dir(tempfile::tempdir().unwrap(), ENDPOINTS, 0)
    }

    fn notify(bench: &mut Bench, about: About, micros: i64) -> bool {
        let told = Told { notice: Notice::new(Kind::EndpointFailing, about), count: 1 };
        let origin = Origin { instance: "i".into(), host: "h".into() };
        bench.deliveries().notify(&name("ops"), &told, &origin, micros).unwrap()
    }

    fn due(bench: &mut Bench) -> DueBatch {
        bench.deliveries().due(&name("ops"), &[], 1000, NOW).unwrap()
    }

    #[test]
    fn a_notice_about_its_own_endpoint_is_not_made() {
        let mut bench = bench();
        assert!(!notify(&mut bench, About::Endpoint(name("ops")), 1));
        assert!(notify(&mut bench, About::Endpoint(name("a")), 1));
        assert_eq!(due(&mut bench).events.len(), 1);
    }

    #[test]
    fn notices_take_no_room_and_need_none() {
        let mut bench = bench();
        bench.room = Room { events: 1, bytes: 1 << 20 };
        for n in 0..5 {
            notify(&mut bench, About::Watch(name(&format!("w{n}"))), n);
        }
        assert!(matches!(bench.record_for(&["ops"], "x", 1), Recorded::New(_)));
        assert_eq!(bench.record_for(&["ops"], "y", 2), Recorded::NoRoom);
        assert!(notify(&mut bench, About::Daemon, 9));
        assert_eq!(bench.tables.events, 1, "a notice is not counted among the events");
        let mut bench = bench.reopened_with(ENDPOINTS);
        assert_eq!(bench.tables.events, 1);
        assert_eq!(due(&mut bench).events.len(), 7);
    }

    #[test]
    fn the_oldest_notice_goes_for_the_newest() {
        let mut bench = bench();
        for n in 0..NOTICES_MAX + 20 {
            notify(&mut bench, About::Watch(name(&format!("w{n}"))), n);
        }
        let batch = due(&mut bench);
        let paths: Vec<String> = batch.events.iter().map(|due| due.path.to_string()).collect();
        assert_eq!(paths.len(), usize::try_from(NOTICES_MAX).unwrap());
        assert_eq!((paths[0].as_str(), paths[99].as_str()), ("/watch/w20", "/watch/w119"));
    }

    #[test]
    fn notices_about_one_subject_stay_in_order_and_a_dead_one_leaves_nothing() {
        let mut bench = bench();
        for n in 0..3 {
            notify(&mut bench, About::Endpoint(name("a")), n);
        }
        for _ in 0..3 {
            let batch = due(&mut bench);
            assert_eq!(batch.events.len(), 1, "one after the other");
            let dead = Conclusion::Dead { attempts: 20, refusal: refusal() };
            let seq = batch.events[0].seq;
            bench.deliveries().conclude(&name("ops"), seq, &dead, NOW).unwrap();
        }
        let left: i64 =
            bench.db.query_row("SELECT count(*) FROM event", [], |row| row.get(0)).unwrap();
        assert_eq!((left, bench.tables.dead), (0, 0));
        assert_eq!(bench.tables.waiting(bench.tables.endpoint(&name("ops")).unwrap()), 0);
    }

    #[test]
    fn notices_for_an_endpoint_that_is_no_longer_told_are_dropped() {
        let mut bench = bench();
        notify(&mut bench, About::Daemon, 1);
        bench.record("x", 1);
        let bench = bench.reopened_with(&["a", "b"]);
        let count = |sql: &str| -> i64 { bench.db.query_row(sql, [], |row| row.get(0)).unwrap() };
        assert_eq!(count("SELECT count(*) FROM event"), 1, "the file stays");
        assert_eq!(count("SELECT count(*) FROM delivery"), 2);
    }
}
