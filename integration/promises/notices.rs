//! The operations endpoint is told of the daemon's own fate, and never at the cost of a file's event.

use std::{fs, sync::Arc};

use crate::harness::{
    Config, Receiver, Reply, Site, disk, http::Request, log::said, signature, site::SECRET, skipped,
};

/// The crm of [`Site::config`] stays the only endpoint of the watch; `ops` is told of the rest.
fn with_operations(site: &Site, crm: &Receiver, ops: &Receiver) -> Config {
    site.config(&crm.url())
        .watch("endpoints", vec!["crm"])
        .add_endpoint("ops", &ops.url_of("/ops"))
        .set("endpoint.ops", "secret_files", vec![site.path("secret").to_str().unwrap()])
        .set("operations", "endpoint", "ops")
}

fn wait_for_notice(ops: &Receiver, kind: &str) -> Arc<Request> {
    ops.wait_for(kind, |record| record.requests.iter().find(|r| r.json["type"] == kind).cloned())
}

fn kinds(ops: &Receiver) -> Vec<String> {
    ops.read(|record| {
        record.requests.iter().map(|r| r.json["type"].as_str().unwrap().to_owned()).collect()
    })
}

#[test]
fn a_start_is_told_and_a_start_after_a_crash_says_so() {
    let (crm, ops, site) = (Receiver::up(), Receiver::up(), Site::new());
    let config = with_operations(&site, &crm, &ops);
    let mut watchd = config.ready();
    let started = wait_for_notice(&ops, "watchd.started");
    assert_eq!(*started.data("after_crash"), false);
    assert_eq!(*started.data("version"), env!("CARGO_PKG_VERSION"));
    assert_eq!(started.data("id"), started.id());
    let sent = started.header("webhook-timestamp").unwrap();
    let signature = signature::v1(SECRET, started.id(), sent, &started.body);
    assert_eq!(started.header("webhook-signature"), Some(signature.as_str()));
    watchd.kill9();
    for (runs, after_crash) in [(2, true), (3, false)] {
        let watchd = config.ready();
        // One that was not yet known to be delivered comes again, under its id.
        let told = ops.wait_for("another start is told", |record| {
            let mut seen = std::collections::HashSet::new();
            let first = record.requests.iter().filter(|request| seen.insert(request.id()));
            first.filter(|r| r.json["type"] == "watchd.started").nth(runs - 1).cloned()
        });
        assert_eq!(*told.data("after_crash"), after_crash);
        watchd.stop();
    }
}

#[test]
fn an_endpoint_without_its_secret_is_told_and_so_is_its_return() {
    let (crm, ops, site) = (Receiver::up(), Receiver::up(), Site::new());
    let file = site.path("crm-secret");
    let config =
        with_operations(&site, &crm, &ops).endpoint("secret_files", vec![file.to_str().unwrap()]);
    let watchd = config.ready();
    let failing = wait_for_notice(&ops, "watchd.endpoint.failing");
    assert_eq!(*failing.data("endpoint"), "crm");
    assert_eq!(*failing.data("class"), "local");
    let reason = failing.data("reason").as_str().unwrap();
    assert!(reason.contains("crm-secret"), "{reason}");
    fs::write(&file, format!("{SECRET}\n")).unwrap();
    watchd.signal("HUP");
    let recovered = wait_for_notice(&ops, "watchd.endpoint.recovered");
    assert_eq!(*recovered.data("endpoint"), "crm");
    crm.wait_for_paths(&[disk::create(&site.root(), "a.dat")]);
    watchd.stop();
}

#[test]
fn an_endpoint_that_fails_and_recovers_and_a_dead_letter_are_told() {
    let (crm, ops, site) =
        (Receiver::scripted(|_| Reply::Status(404)), Receiver::up(), Site::new());
    let config = with_operations(&site, &crm, &ops).endpoint("attempts", 1);
    let watchd = config.ready();
    let path = disk::create(&site.root(), "doomed.dat");
    let failing = wait_for_notice(&ops, "watchd.endpoint.failing");
    assert_eq!((failing.data("endpoint"), failing.data("status")), (&"crm".into(), &404.into()));
    let dead = wait_for_notice(&ops, "watchd.event.dead");
    assert_eq!((dead.data("watch"), dead.data("count")), (&"inbox".into(), &1.into()));
    assert_eq!(dead.data("path"), path.file_name().unwrap().to_str().unwrap());
    assert_eq!(dead.data("event"), crm.read(|record| record.requests[0].id().to_owned()).as_str());
    crm.script(|_| Reply::Status(200));
    disk::create(&site.root(), "fine.dat");
    wait_for_notice(&ops, "watchd.endpoint.recovered");
    watchd.stop();
}

#[test]
fn many_dead_letters_are_one_notice_a_minute() {
    let (crm, ops, site) =
        (Receiver::scripted(|_| Reply::Status(400)), Receiver::up(), Site::new());
    let config = with_operations(&site, &crm, &ops).endpoint("attempts", 1);
    let watchd = config.ready();
    disk::create_many(&site.root(), "doomed", 30);
    watchd.wait_for_count("given up", 30);
    wait_for_notice(&ops, "watchd.event.dead");
    disk::create(&site.root(), "later.dat");
    watchd.wait_for_count("given up", 31);
    watchd.stop();
    let dead = kinds(&ops).into_iter().filter(|kind| kind == "watchd.event.dead").count();
    assert_eq!(dead, 1);
}

#[test]
fn a_watch_that_is_suspended_and_resumes_is_told() {
    let (crm, ops, site) = (Receiver::up(), Receiver::up(), Site::new());
    fs::remove_dir(site.root()).unwrap();
    let watchd = with_operations(&site, &crm, &ops).start();
    let suspended = wait_for_notice(&ops, "watchd.watch.suspended");
    assert_eq!(suspended.data("watch"), "inbox");
    assert_eq!(suspended.data("path"), site.root().to_str().unwrap());
    fs::create_dir(site.root()).unwrap();
    wait_for_notice(&ops, "watchd.watch.resumed");
    watchd.stop();
}

#[test]
fn a_full_outbox_is_told_and_the_files_that_wait_for_room_are_not_told_as_stuck() {
    let (crm, ops, site) = (Receiver::down_at_first(), Receiver::up(), Site::new());
    if !disk::tells_writers(&site.root()) {
        return skipped("this file system does not tell who writes");
    }
    let config = with_operations(&site, &crm, &ops).set("state", "outbox_max_events", 6);
    let watchd = config.watch("stuck_after", "1s").ready();
    disk::create_many(&site.root(), "many", 50);
    let full = wait_for_notice(&ops, "watchd.outbox.full");
    assert_eq!(full.data("watch"), "inbox");
    // By the time that one that is really stuck is told, the others have waited for longer.
    let _writer = fs::File::create(site.root().join("open.dat")).unwrap();
    watchd.wait_for_file(said::DOES_NOT_SETTLE, "open.dat", 1);
    assert_eq!(watchd.count(said::DOES_NOT_SETTLE), 1, "the one that is open, and no other");
    watchd.stop();
}

#[test]
fn a_file_that_does_not_settle_is_told() {
    let (crm, ops, site) = (Receiver::up(), Receiver::up(), Site::new());
    if !disk::tells_writers(&site.root()) {
        return skipped("this file system does not tell who writes");
    }
    let watchd = with_operations(&site, &crm, &ops).watch("stuck_after", "1s").ready();
    let path = site.root().join("open.dat");
    let _writer = fs::File::create(&path).unwrap();
    let stuck = wait_for_notice(&ops, "watchd.file.stuck");
    assert_eq!((stuck.data("watch"), stuck.data("path")), (&"inbox".into(), &"open.dat".into()));
    assert!(stuck.data("waiting_s").as_u64() >= Some(1), "{}", stuck.json);
    watchd.stop();
}

#[test]
fn an_operations_endpoint_that_is_down_delays_no_file_and_makes_no_notice_about_itself() {
    let (crm, ops, site) = (Receiver::up(), Receiver::down_at_first(), Site::new());
    let config = with_operations(&site, &crm, &ops).set("endpoint.ops", "attempts", 1).set(
        "state",
        "outbox_max_events",
        1,
    );
    let watchd = config.ready();
    watchd.wait_for("a notice about the daemon itself is given up");
    for n in 0..5 {
        crm.wait_for_paths(&[disk::create(&site.root(), format!("{n}.dat"))]);
    }
    fs::remove_dir_all(site.root()).unwrap();
    watchd.wait_for(said::SUSPENDED);
    watchd.wait_for_count("a notice about the daemon itself is given up", 2);
    let about = watchd.lines().into_iter().filter(|l| l.says("a notice about the daemon itself"));
    let about: Vec<_> = about.filter_map(|line| line.field("path")).collect();
    assert!(about.iter().all(|path| path != "/endpoint/ops"), "{about:?}");
    watchd.stop();
}

#[test]
fn an_operations_endpoint_may_be_that_of_a_watch_and_comes_by_reload() {
    let (crm, site) = (Receiver::up(), Site::new());
    let config = site.config(&crm.url());
    let watchd = config.ready();
    let config = config.set("operations", "endpoint", "crm");
    config.reload(&watchd);
    crm.wait_for_paths(&[disk::create(&site.root(), "a.dat")]);
    fs::rename(site.root(), site.path("away")).unwrap();
    wait_for_notice(&crm, "watchd.watch.suspended");
    fs::rename(site.path("away"), site.root()).unwrap();
    wait_for_notice(&crm, "watchd.watch.resumed");
    crm.wait_for_paths(&[disk::create(&site.root(), "b.dat")]);
    watchd.stop();
    crm.read(|record| assert_eq!(record.requests.len(), 4, "two files, two notices"));
}
