//! P8: the outbox has a limit, and what does not fit waits in its directory.

use std::{collections::HashSet, fs};

use serde_json::Value;

use crate::harness::{Config, Front, Receiver, Site, disk, log::said, watchd::finish};

const LIMIT: usize = 50;
/// A debug build with everything in memory that this proof holds; a queue that is not bounded passes it.
const MEMORY_KIB_MAX: u64 = 128 * 1024;

#[test]
fn a_full_outbox_holds_no_more_than_its_limit_and_everything_arrives_in_the_end() {
    let (receiver, site) = (Receiver::down_at_first(), Site::new());
    let config = site.config(&receiver.url()).set("state", "outbox_max_events", LIMIT);
    let watchd = config.ready();
    let paths = disk::create_many(&site.root(), "many", 200);
    watchd.wait_for_count(said::COMMITTED, LIMIT);
    watchd.wait_for(said::OUTBOX_FULL);
    assert!(watchd.memory_kib() < MEMORY_KIB_MAX, "{} KiB resident", watchd.memory_kib());
    assert_eq!(watchd.count(said::COMMITTED), LIMIT, "no more than the limit is committed");
    watchd.stop();
    assert_eq!(listed(&config).len(), LIMIT, "the journal holds the limit and no more");

    let watchd = config.ready();
    receiver.come_up();
    receiver.wait_for_paths(&paths);
    watchd.stop();
    receiver.assert_no_duplicates();
    assert_eq!(listed(&config).len(), 0, "nothing waits any more");
}

/// What is counted at the start is counted row by row: sorting it took 590 bytes for each.
#[test]
fn a_start_takes_no_memory_for_each_event_that_waits() {
    const WAITING: u32 = 100_000;
    let (receiver, site) = (Receiver::down_at_first(), Site::new());
    let config = site.config(&receiver.url());
    let watchd = config.ready();
    disk::create(&site.root(), "a.dat");
    watchd.wait_for(said::COMMITTED);
    let one = watchd.memory_peak_kib();
    watchd.stop();
    let journal = rusqlite::Connection::open(site.state_dir().join("journal.db")).unwrap();
    journal
        .execute_batch(&format!(
            "BEGIN;
             CREATE TEMP TABLE n AS WITH RECURSIVE n(i) AS
               (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {WAITING}) SELECT i FROM n;
             INSERT INTO event (seq, id, watch, path, committed_ms, body)
               SELECT seq + i, id, watch, CAST(path || i AS BLOB), committed_ms, body FROM event, n;
             INSERT INTO delivery (seq, endpoint, state, next_ms, attempts)
               SELECT seq + i, endpoint, state, next_ms, attempts FROM delivery, n;
             UPDATE meta SET value = value + {WAITING} WHERE key = 'seq_end';
             COMMIT;"
        ))
        .unwrap();
    drop(journal);
    let watchd = config.ready();
    let grown = watchd.memory_peak_kib().saturating_sub(one);
    watchd.stop();
    assert!(grown < 16 * 1024, "{grown} KiB more with {WAITING} events");
}

/// Enough that no more are taken in, and that the thread which scans waits for room, too.
#[test]
fn a_watch_whose_files_find_no_room_leaves_no_thread_behind_when_it_is_reloaded() {
    let (receiver, site) = (Receiver::down_at_first(), Site::new());
    let mut dir = site.root();
    while dir.as_os_str().len() < 3800 {
        dir.push("d".repeat(200));
    }
    fs::create_dir_all(&dir).unwrap();
    for number in 0..8000 {
        fs::write(dir.join(number.to_string()), "").unwrap();
    }
    let config = site.config(&receiver.url()).set("state", "outbox_max_events", 3);
    let config = config.set("http", "listen", "127.0.0.1:0");
    let watchd = config.start();
    // Ten mebibytes of them, by the count that ARCHITECTURE.md gives.
    let is_full = |status: &Value| {
        let waiting = &status["watches"][0]["waiting"];
        waiting["changed"]
            .as_u64()
            .zip(waiting["no_room"].as_u64())
            .is_some_and(|(a, b)| a + b > 2400)
    };
    let front = Front::of(&watchd);
    front.status_when("no more files are taken in", is_full);
    watchd.wait_for(said::OUTBOX_FULL);
    assert_eq!(watchd.count(said::SCANNED), 0, "the scan waits");
    config.watch("quiet", "310ms").reload(&watchd);
    assert_eq!(watchd.count(said::LEFT_BEHIND), 0);
    front.status_when("no more files are taken in by the new threads", is_full);
    for name in ["watch inbox", "settle inbox"] {
        assert_eq!(watchd.threads(name), 1, "{name}");
    }
    watchd.stop();
}

#[test]
fn a_log_line_about_a_hostile_name_is_bounded() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let watchd = site.config(&receiver.url()).ready();
    let mut dir = site.root();
    while dir.as_os_str().len() < 3800 {
        dir.push("\u{1}".repeat(200));
    }
    fs::create_dir_all(&dir).unwrap();
    let path = disk::create(&dir, "a.dat");
    receiver.wait_for_paths(&[path]);
    let longest = watchd.lines().iter().map(|line| line.raw.len()).max().unwrap();
    assert!(longest < 64 * 1024, "a log line of {longest} bytes");
    watchd.stop();
}

/// The ids of the events that `watchd events list` shows as not delivered.
fn listed(config: &Config) -> HashSet<String> {
    let output = finish(config.command(&["events", "list", "--json"]));
    let is_empty = output.stdout.is_empty();
    assert_eq!(output.status.code(), Some(i32::from(is_empty)), "{}", output.stderr);
    let row = |line: &str| -> Value { serde_json::from_str(line).expect("one JSON object a line") };
    output.stdout.lines().map(|line| row(line)["event"].as_str().unwrap().to_owned()).collect()
}
