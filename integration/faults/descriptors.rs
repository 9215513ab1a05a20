//! The process has no descriptor left (`RLIMIT_NOFILE`, getrlimit(2)). The limit is set on the running daemon,
//! below what it has open, so that from then on every open, every socket and every accept fails.

use std::{fs, process::Command};

use crate::{
    harness::{Front, Receiver, Site, Watchd, clock::wait_until, disk, log::said},
    promises::assert_each_exactly_once,
};

/// From `prlimit(1)` of util-linux, which every machine has that has mount(8).
fn limit(watchd: &Watchd, descriptors: &str) {
    let mut command = Command::new("prlimit");
    command.args(["--pid", &watchd.pid().to_string()]);
    let set = command.arg(format!("--nofile={descriptors}:")).status().expect("prlimit starts");
    assert!(set.success(), "the limit is set");
}

/// Answers what it is asked as before, once there are descriptors again.
fn is_well(front: Front) {
    wait_until("the pages answer", || front.get("/health").status == 200);
}

#[test]
fn without_descriptors_nothing_is_charged_nothing_is_early_and_nothing_is_lost() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let config = site.config(&receiver.url()).set("http", "listen", "127.0.0.1:0");
    let watchd = config.ready();
    let front = Front::of(&watchd);
    let first = disk::create(&site.root(), "first.dat");
    receiver.wait_for_paths(std::slice::from_ref(&first));

    limit(&watchd, "8");
    // One that would have to be looked at, one in a directory that would have to be opened, one that is
    // still written to.
    let mut paths = vec![first, disk::create(&site.root(), "here.dat")];
    fs::create_dir(site.root().join("new")).unwrap();
    paths.push(disk::create(&site.root().join("new"), "there.dat"));
    let stalled = site.root().join("stalled.dat");
    let writer = fs::File::create(&stalled).unwrap();
    for message in [said::CANNOT_LOOK, "cannot read this directory"] {
        let line = watchd.wait_for(message);
        assert!(line.raw.contains("Too many open files"), "{}", line.raw);
    }
    assert_eq!(receiver.read(|record| record.requests.len()), 1, "nothing is announced unseen");

    limit(&watchd, "1024");
    receiver.wait_for_paths(&paths);
    watchd.wait_for(said::WAITING_FOR_WRITER);
    drop(writer);
    paths.push(stalled);
    is_well(front);
    assert_eq!(watchd.count(said::RETRY), 0, "nothing is charged");
    assert_each_exactly_once(&site, watchd, &receiver, &paths);
}

#[test]
fn requests_for_which_there_is_no_socket_are_charged_to_nobody() {
    let (receiver, site) = (Receiver::down_at_first(), Site::new());
    let config = site.config(&receiver.url()).endpoint("concurrency", 1);
    let watchd = config.ready();
    let paths = disk::create_many(&site.root(), "waits", 3);
    watchd.wait_for(said::RETRY);
    limit(&watchd, "8");
    let pauses = "endpoint paused";
    let line = watchd.wait_for(pauses);
    assert_eq!(line.field("class").as_deref(), Some("local"));
    assert!(line.field("reason").unwrap().contains("too many open files"), "{}", line.raw);
    let charged = watchd.count(said::RETRY);
    watchd.wait_for_count(pauses, 3);
    assert_eq!(watchd.count(said::RETRY), charged, "the endpoint was never asked");
    receiver.come_up();
    limit(&watchd, "1024");
    assert_each_exactly_once(&site, watchd, &receiver, &paths);
}
