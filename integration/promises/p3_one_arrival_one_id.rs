//! P3: one arrival has one id and one body, whatever happens on the way.
//!
//! (That a lost database gives the same ids is proven in `p1_nothing_is_lost_with_the_database.rs`.)

use std::{
    collections::HashSet,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    sync::Arc,
};

use crate::harness::{Receiver, Reply, Request, Site, disk, skipped};

#[test]
fn a_crash_between_the_request_and_its_answer_repeats_the_id_and_the_body() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let config = site.config(&receiver.url());
    let watchd = config.ready();
    let kill = watchd.killer();
    receiver.script(move |_| {
        kill();
        Reply::Status(200)
    });
    disk::create(&site.root(), "a.dat");
    receiver.wait_for_requests(1);
    drop(watchd);
    receiver.script(|_| Reply::Status(200));
    let watchd = config.ready();
    let requests = wait_for_attempts(&receiver, 2);
    watchd.stop();
    assert_same_event(&requests);
}

#[test]
fn attempts_differ_in_number_and_time_and_in_nothing_else() {
    let site = Site::new();
    let receiver =
        Receiver::scripted(|request| Reply::Status(if request.attempt() < 4 { 500 } else { 200 }));
    let config = site.config(&receiver.url()).endpoint("retry_delays", vec!["1200ms"]);
    let watchd = config.ready();
    disk::create(&site.root(), "a.dat");
    let requests = wait_for_attempts(&receiver, 4);
    watchd.stop();
    assert_same_event(&requests);
    let numbers: Vec<_> = requests.iter().map(|request| request.attempt()).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
    let times: HashSet<_> = requests.iter().map(|r| r.header("webhook-timestamp")).collect();
    assert!(times.len() > 1, "the signed time is that of the attempt: {times:?}");
    for request in &requests {
        let signed: i64 = request.header("webhook-timestamp").unwrap().parse().unwrap();
        assert!((request.unix_seconds - signed).abs() <= 5, "signed at {signed}");
    }
}

#[test]
fn attempts_after_a_restart_go_on_with_the_same_body() {
    let site = Site::new();
    let receiver = Receiver::scripted(|_| Reply::Status(500));
    let config = site.config(&receiver.url());
    let watchd = config.ready();
    disk::create(&site.root(), "a.dat");
    wait_for_attempts(&receiver, 2);
    watchd.stop();
    let before = receiver.read(|record| record.requests.len());
    receiver.script(|_| Reply::Status(200));
    let watchd = config.ready();
    let requests = wait_for_attempts(&receiver, before + 1);
    watchd.stop();
    assert_same_event(&requests);
    let last = requests.last().unwrap();
    assert!(last.attempt() > 1, "attempts of the run before count: {}", last.attempt());
}

#[test]
fn two_endpoints_get_the_same_id_for_the_same_arrival() {
    let (one, two, site) = (Receiver::up(), Receiver::up(), Site::new());
    let config = site.config(&one.url()).add_endpoint("two", &two.url());
    let watchd = config.watch("endpoints", vec!["crm", "two"]).ready();
    disk::create(&site.root(), "a.dat");
    let requests = [one.wait_for_file("a.dat"), two.wait_for_file("a.dat")];
    watchd.stop();
    assert_same_event(&requests);
}

/// Without the birth time, ctime would stand in, and a chmod in between would make another id.
#[test]
fn the_birth_time_is_read_so_that_a_chmod_and_a_lost_database_change_no_id() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let config = site.config(&receiver.url());
    let watchd = config.ready();
    let path = disk::create(&site.root(), "a.dat");
    if fs::metadata(&path).unwrap().created().is_err() {
        return skipped("this file system keeps no birth time");
    }
    receiver.wait_for_file("a.dat");
    watchd.stop();
    fs::set_permissions(&path, Permissions::from_mode(0o604)).unwrap();
    fs::remove_file(site.database()).unwrap();
    let watchd = config.ready();
    let requests = wait_for_attempts(&receiver, 2);
    watchd.stop();
    assert_eq!(requests[0].id(), requests[1].id());
}

fn wait_for_attempts(receiver: &Receiver, count: usize) -> Vec<Arc<Request>> {
    receiver.wait_for_requests(count);
    receiver.read(|record| record.requests.clone())
}

fn assert_same_event(requests: &[Arc<Request>]) {
    for request in requests {
        assert_eq!(request.id(), requests[0].id());
        assert_eq!(request.body, requests[0].body, "the body is the same to the byte");
    }
}
