//! SIGKILL in a loop while files keep coming.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use super::times;
use crate::harness::{
    Receiver, Site,
    clock::{now, pace_until},
    disk,
    log::said,
};

const FILES_PER_SECOND: u32 = 100;

/// Every second kill follows a delivery, the others a commit: at each, more of the same is under way.
#[test]
fn a_daemon_that_is_killed_again_and_again_loses_nothing_and_repeats_only_ids() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let config = site.config(&receiver.url()).watch("quiet", "100ms");
    let (root, ends, kills) = (site.root(), AtomicBool::new(false), times(20, 200));
    let paths = thread::scope(|scope| {
        let writer = scope.spawn(|| write_until(&root, &ends));
        for kill in 0..kills {
            let before = receiver.read(|record| record.accepted);
            let mut watchd = config.start();
            let more = 1 + kill * 7 % 23;
            if kill % 2 == 0 {
                receiver.wait_for("more deliveries", |record| {
                    (record.accepted >= before + more).then_some(())
                });
            } else {
                watchd.wait_for_count(said::COMMITTED, more);
            }
            watchd.kill9();
        }
        ends.store(true, Ordering::Relaxed);
        writer.join().unwrap()
    });
    let watchd = config.ready();
    receiver.wait_for_paths(&paths);
    watchd.stop();
    account(&receiver, kills, paths.len());
}

fn write_until(root: &std::path::Path, ends: &AtomicBool) -> Vec<PathBuf> {
    let (begin, mut paths) = (now(), Vec::new());
    for n in 0.. {
        if ends.load(Ordering::Relaxed) {
            break;
        }
        paths.push(disk::create(root, format!("load-{n:06}.dat")));
        pace_until(begin + Duration::from_secs(1) / FILES_PER_SECOND * (n + 1));
    }
    paths
}

/// Every request counts, also one that nobody was left to hear the answer of.
fn account(receiver: &Receiver, kills: usize, arrivals: usize) {
    receiver.read(|record| {
        let mut first: HashMap<&[u8], &str> = HashMap::new();
        for request in &record.requests {
            let id = first.entry(&request.path).or_insert(request.id());
            assert_eq!(*id, request.id(), "a repetition carries the first id");
        }
        assert_eq!(first.len(), arrivals, "as many paths as arrivals");
        eprintln!(
            "{kills} kills: {arrivals} arrivals, {} requests, {} accepted, 0 lost, {} repeated, all with their first id",
            record.requests.len(),
            record.accepted,
            record.accepted - arrivals,
        );
    });
}
