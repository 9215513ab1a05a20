//! P5: the versions of one path are delivered in order; a later one never overtakes.

use std::{collections::HashMap, sync::Arc};

use crate::harness::{Receiver, Reply, Request, Site, disk, log::said};

#[test]
fn a_second_version_waits_for_the_first_while_the_receiver_fails() {
    let receiver = Receiver::scripted(|_| Reply::Status(503));
    let site = Site::new();
    let config = site.config(&receiver.url());
    let watchd = config.ready();
    for generation in 1..=4 {
        disk::create(&site.root(), "a.dat");
        watchd.wait_for_file(said::COMMITTED, "a.dat", generation);
    }
    receiver.script(|_| Reply::Status(200));
    wait_for_generation(&receiver, 4);
    watchd.stop();
    assert_in_order(&receiver);
    assert_eq!(receiver.ids_of(&site.root().join("a.dat")).len(), 4);
}

#[test]
fn order_holds_across_a_restart() {
    let receiver = Receiver::scripted(|_| Reply::Status(503));
    let site = Site::new();
    let config = site.config(&receiver.url());
    for _ in 0..2 {
        let watchd = config.ready();
        disk::create(&site.root(), "a.dat");
        watchd.wait_for_file(said::COMMITTED, "a.dat", 1);
        watchd.stop();
    }
    receiver.script(|_| Reply::Status(200));
    let watchd = config.ready();
    wait_for_generation(&receiver, 2);
    watchd.stop();
    assert_in_order(&receiver);
}

#[test]
fn order_holds_for_many_paths_that_fail_now_and_then() {
    let mut turn = 0_u32;
    let receiver = Receiver::scripted(move |_| {
        turn += 1;
        Reply::Status(if turn.is_multiple_of(3) { 500 } else { 200 })
    });
    let site = Site::new();
    let watchd = site.config(&receiver.url()).watch("quiet", "60ms").ready();
    for round in 1..=3_u64 {
        disk::create_many(&site.root(), "many", 40);
        receiver.wait_for("a request of each file in this round", |record| {
            let seen = record.requests.iter().filter(|r| r.data("generation") == round);
            let paths: std::collections::HashSet<_> = seen.map(|r| &r.path).collect();
            (paths.len() == 40).then_some(())
        });
    }
    receiver.wait_for("all deliveries", |record| (record.accepted >= 120).then_some(()));
    watchd.stop();
    assert_in_order(&receiver);
}

fn wait_for_generation(receiver: &Receiver, generation: u64) {
    receiver.wait_for("the last generation is delivered", |record| {
        let last = record.requests.iter().any(|r| r.data("generation") == generation);
        let accepted = u64::try_from(record.accepted).unwrap();
        (last && accepted >= generation).then_some(())
    });
}

/// No request of a later version comes before the last request of an earlier one of the same path.
fn assert_in_order(receiver: &Receiver) {
    let requests: Vec<Arc<Request>> = receiver.read(|record| record.requests.clone());
    let mut newest: HashMap<&[u8], u64> = HashMap::new();
    for request in &requests {
        let generation = request.data("generation").as_u64().unwrap();
        let before = newest.entry(&request.path).or_insert(1);
        assert!(generation >= *before, "generation {generation} came after {before}");
        *before = generation;
    }
}
