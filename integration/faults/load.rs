//! A great deal at once.

use std::{
    fs::File,
    io::Write,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use super::times;
use crate::{
    harness::{Receiver, Reply, Request, Site, clock::now, disk, said},
    promises::assert_each_exactly_once,
};

/// Writes that alternate between two files are never merged into one kernel event.
#[test]
fn two_interleaved_writers_with_a_million_writes_are_one_arrival_each() {
    const WRITES: usize = 500_000;
    let (receiver, site) = (Receiver::up(), Site::new());
    let watchd = site.config(&receiver.url()).watch("quiet", "2s").ready();
    let paths = ["one.dat", "two.dat"].map(|name| site.root().join(name));
    let mut files = paths.clone().map(|path| File::create(path).unwrap());
    for _ in 0..WRITES {
        for file in &mut files {
            file.write_all(b"x").unwrap();
        }
    }
    drop(files);
    for name in ["one.dat", "two.dat"] {
        assert_eq!(receiver.wait_for_file(name).data("size"), WRITES);
    }
    assert_each_exactly_once(&site, watchd, &receiver, &paths);
}

#[test]
fn many_files_that_are_there_at_the_start_are_each_delivered_once_in_bounded_memory() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let count = times(20_000, 100_000);
    let paths = disk::create_many(&site.root(), "there", count);
    let config = site.config(&receiver.url()).endpoint("concurrency", 16).log_filter("info");
    let watchd = config.ready();
    wait_for_all(&receiver, count);
    assert!(watchd.memory_kib() < 64 << 10, "{} KiB resident", watchd.memory_kib());
    assert_each_exactly_once(&site, watchd, &receiver, &paths);
}

/// How long the pace is judged after the first request, and what each takes meanwhile.
const JUDGED: Duration = Duration::from_secs(3);
const TAKES: Duration = Duration::from_millis(100);
/// One at a time in the first second, two in the second, four in the third: ten each of these, and one that
/// was under way at the step. All eight at once would be three times as many.
const EARLY_MAX: usize = (1 + 2 + 4) * 11 + 1;

/// Counts what comes while the pace is judged. A receiver that is slow to count makes it fewer, never more:
/// the ramp begins when the first request is answered.
fn counts(early: Arc<AtomicUsize>) -> impl FnMut(&Request) -> Reply + Send + 'static {
    let first = OnceLock::new();
    move |_| {
        if first.get_or_init(now).elapsed() >= JUDGED {
            return Reply::Status(204);
        }
        early.fetch_add(1, SeqCst);
        Reply::Slow(TAKES, 204, Box::new(()))
    }
}

/// The receiver is away for longer than any file takes to arrive; then all of it comes, in pace.
#[test]
fn a_long_outage_ends_with_everything_delivered_once() {
    let (receiver, site) = (Receiver::down_at_first(), Site::new());
    let (count, early) = (times(10_000, 50_000), Arc::<AtomicUsize>::default());
    receiver.script(counts(Arc::clone(&early)));
    let config = site.config(&receiver.url()).endpoint("concurrency", 8).log_filter("info");
    let watchd = config.set("state", "outbox_max_events", 5_000).ready();
    let paths = disk::create_many(&site.root(), "outage", count);
    // Beyond its limit the outbox takes nothing more, and nothing is dropped: the folder is the queue.
    watchd.wait_for(said::OUTBOX_FULL);
    // Before it counts as down, the pace is that of an endpoint that is well.
    watchd.wait_for(said::ENDPOINT_FAILING);
    let begin = now();
    receiver.come_up();
    wait_for_all(&receiver, count);
    let early = early.load(SeqCst);
    eprintln!("{count} delivered within {:.1?}, {early} in the first {JUDGED:?}", begin.elapsed());
    assert!(early <= EARLY_MAX, "{early} requests in {JUDGED:?}: a herd");
    let database = std::fs::metadata(site.database()).unwrap().len();
    assert!(database < 64 << 20, "the journal holds what waits, not what was: {database} bytes");
    assert_each_exactly_once(&site, watchd, &receiver, &paths);
}

/// As long as more comes, however slowly.
fn wait_for_all(receiver: &Receiver, count: usize) {
    const STEP: usize = 500;
    for wanted in (STEP..=count).step_by(STEP) {
        receiver.wait_for(&format!("{wanted} of {count}"), |record| {
            (record.delivered.len() >= wanted).then_some(())
        });
    }
}
