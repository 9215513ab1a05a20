//! What is forgotten, and what is carried over: by an open database without its thread.

use super::{
    super::{
        forgetting::PAGE,
        open::{Open, Opening},
        retention::TOMBSTONE_AGE,
        store::DATABASE,
    },
    *,
};
use crate::config::checked::Instance;

/// More than one page, and not a whole number of them.
const FILES: u64 = 3 * PAGE + 7;

fn configured(dir: &Path, watches: &[&str]) -> Configured {
    Configured {
        dir: dir.to_path_buf(),
        watches: watches.iter().map(|text| name(text)).collect(),
        endpoints: vec![name("a")],
        operations: None,
        room: Room { events: 1000, bytes: 1 << 20 },
        dead_max: 10,
        attempts_max: ATTEMPTS_MAX,
    }
}

fn open(dir: &Path, watches: &[&str]) -> Open {
    let configured = configured(dir, watches);
    let (instance, carried) = (Instance::Given("i".into()), Carried::default());
    let opening =
        Opening { instance: &instance, configured: &configured, check: true, carried: &carried };
    Open::new(&opening).unwrap()
}

/// Remembers files of the watch `w`; with a `gone_since` they are tombstones.
fn remember(open: &Open, files: u64, gone_since: Option<i64>) {
    let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
               INSERT INTO seen (watch, path, version, generation, event, gone_since)
               SELECT (SELECT id FROM watch WHERE name = 'w'), CAST(printf('%08d', i) AS BLOB), ?2, 1, x'', ?3
               FROM n";
    let version = version(1).to_bytes();
    open.db.execute(sql, rusqlite::params![files, version, gone_since]).unwrap();
}

fn record(open: &mut Open, path: &str) -> Recorded {
    let retired = false.into();
    let source =
        Source { watch: name("w"), root: b"/r".to_vec(), endpoints: vec![name("a")], retired };
    let settled = Settled {
        path: RelPath::from_bytes(path.as_bytes()),
        version: version(1),
        found: Found::Event,
        since: clock::mono(),
    };
    let origin = Origin { instance: "i".into(), host: "h".into() };
    let room = Room { events: 1000, bytes: 1 << 20 };
    open.arrivals().record(&source, &settled, &origin, room, 7).unwrap()
}

fn count(open: &Open, condition: &str) -> u64 {
    let sql = format!("SELECT count(*) FROM seen WHERE {condition}");
    open.db.query_row(&sql, [], |row| row.get(0)).unwrap()
}

/// The least that changes at a time, and how many turns it takes.
fn turns(open: &mut Open, condition: &str) -> (u64, u64) {
    let (mut most, mut turns) = (0, 0);
    loop {
        let before = count(open, condition);
        let goes_on = open.go_on().unwrap();
        most = most.max(before.abs_diff(count(open, condition)));
        turns += 1;
        assert!(turns < 1000, "it comes to an end");
        if !goes_on {
            return (most, turns);
        }
    }
}

#[test]
fn p8_the_files_of_a_watch_that_is_removed_become_tombstones_a_page_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let mut one = open(dir.path(), &["w", "other"]);
    remember(&one, FILES, None);
    one.configure(&configured(dir.path(), &["other"])).unwrap();
    assert_eq!(count(&one, "gone_since IS NULL"), FILES, "nobody waits for it");
    assert!(one.go_on().unwrap());
    assert_eq!(count(&one, "gone_since IS NULL"), FILES - PAGE);
    drop(one);
    // A restart in the middle.
    let mut one = open(dir.path(), &["other"]);
    assert_eq!(turns(&mut one, "gone_since IS NULL").0, PAGE);
    assert_eq!(count(&one, "gone_since IS NULL"), 0);
    assert_eq!(count(&one, "gone_since IS NOT NULL"), FILES, "they are kept for a while");
    one.configure(&configured(dir.path(), &["w", "other"])).unwrap();
    assert_eq!(record(&mut one, "00000001"), Recorded::AlreadySeen, "back in time");
}

#[test]
fn p3_a_watch_that_is_back_before_its_files_are_tombstones_keeps_what_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let mut one = open(dir.path(), &["w", "other"]);
    remember(&one, FILES, None);
    one.configure(&configured(dir.path(), &["other"])).unwrap();
    one.go_on().unwrap();
    one.configure(&configured(dir.path(), &["w", "other"])).unwrap();
    assert!(!one.go_on().unwrap(), "it is configured again");
    assert_eq!(count(&one, "gone_since IS NULL"), FILES - PAGE);
}

#[test]
fn p8_tombstones_that_are_old_enough_are_forgotten_a_page_at_a_time_with_a_small_log() {
    let dir = tempfile::tempdir().unwrap();
    let mut one = open(dir.path(), &["w"]);
    one.keep_house().unwrap();
    turns(&mut one, "true");
    let age = i64::try_from(TOMBSTONE_AGE.as_millis()).unwrap();
    let now = one.retention.now_ms;
    remember(&one, 100 * PAGE + 1, Some(now - age - 1));
    one.db
        .execute("UPDATE seen SET gone_since = ?1 WHERE path < CAST('00000011' AS BLOB)", [now])
        .unwrap();
    store::make_room(&one.db).unwrap();
    one.forgetting.begin();
    let (most, turns) = turns(&mut one, "true");
    assert_eq!((most, count(&one, "true")), (PAGE, 10), "the young ones stay");
    assert!(turns >= 100, "{turns} pages");
    let log = fs::metadata(dir.path().join(format!("{DATABASE}-wal"))).unwrap().len();
    assert!(log <= 4 << 20, "a log of {log} bytes");
}

#[test]
fn what_operators_did_is_not_forgotten_by_a_reload() {
    let dir = tempfile::tempdir().unwrap();
    let mut one = open(dir.path(), &["w"]);
    let id = one.tables.endpoint(&name("a")).unwrap();
    one.tables.discards = 3;
    one.tables.replayed.insert(id);
    one.configure(&configured(dir.path(), &["w", "other"])).unwrap();
    assert_eq!(one.tables.discards, 3, "lanes compare it with what they have heard of");
    assert!(one.tables.replayed.contains(&id));
    assert_eq!(one.tables.carried().replayed, [name("a")].into());
}
