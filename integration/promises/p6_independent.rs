//! P6: endpoints and watches are independent.

use std::fs;

use crate::harness::{Receiver, Reply, Site, disk};

#[test]
fn a_healthy_endpoint_gets_everything_beside_a_dead_and_a_silent_one() {
    let (healthy, dead, silent) =
        (Receiver::up(), Receiver::down_at_first(), Receiver::scripted(|_| Reply::Never));
    let site = Site::new();
    let watchd = site
        .config(&healthy.url())
        .add_endpoint("dead", &dead.url())
        .add_endpoint("silent", &silent.url())
        .set("endpoint.silent", "timeout", "10m")
        .set("shutdown", "drain", "200ms")
        .watch("endpoints", vec!["silent", "dead", "crm"])
        .ready();
    let paths = disk::create_many(&site.root(), "three", 300);
    healthy.wait_for_paths(&paths);
    silent.wait_for_requests(1);
    watchd.stop();
    healthy.assert_no_duplicates();
}

#[test]
fn endpoints_that_recover_get_what_the_healthy_one_got() {
    let (healthy, late) = (Receiver::up(), Receiver::down_at_first());
    let site = Site::new();
    let config = site.config(&healthy.url()).add_endpoint("late", &late.url());
    let watchd = config.watch("endpoints", vec!["late", "crm"]).ready();
    let paths = disk::create_many(&site.root(), "both", 100);
    healthy.wait_for_paths(&paths);
    late.come_up();
    late.wait_for_paths(&paths);
    watchd.stop();
    healthy.assert_no_duplicates();
    for path in &paths {
        assert_eq!(healthy.ids_of(path), late.ids_of(path), "the same arrival, the same id");
    }
}

#[test]
fn a_missing_root_delays_no_other_watch() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let missing = site.path("missing");
    let config = site.config(&receiver.url()).add_watch("absent", &missing, &["crm"]);
    let watchd = config.start();
    watchd.wait_ready(1);
    let here = disk::create_many(&site.root(), "here", 20);
    receiver.wait_for_paths(&here);
    fs::create_dir(&missing).unwrap();
    let there = disk::create_many(&missing, "there", 20);
    receiver.wait_for_paths(&there);
    watchd.stop();
    receiver.assert_no_duplicates();
}

#[test]
fn one_event_that_is_refused_does_not_hold_up_the_others() {
    let site = Site::new();
    let receiver = Receiver::scripted(|request| {
        Reply::Status(if request.is_of("poison.dat") { 422 } else { 200 })
    });
    let watchd = site.config(&receiver.url()).ready();
    disk::create(&site.root(), "poison.dat");
    receiver.wait_for_requests(1);
    let paths = disk::create_many(&site.root(), "fine", 100);
    receiver.wait_for_paths(&paths);
    watchd.stop();
}
