//! P8 and P11, where an operator says how an endpoint is to be treated: headers, a rate, statuses.

use std::{
    fs,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde_json::Value;

use super::quiet_periods_pass;
use crate::harness::{
    Receiver, Reply, Site,
    clock::{now, wait_until},
    disk,
    log::said,
    signature,
    site::SECRET,
    watchd::finish,
};

#[test]
fn headers_of_the_operator_are_sent_as_they_are_and_once_beside_a_signature_that_holds() {
    let (receiver, site) = (Receiver::up(), Site::new());
    fs::write(site.path("token"), "Bearer a b=\n").unwrap();
    let config = site
        .config(&receiver.url())
        .set("endpoint.crm.headers", "x-api-key", "k = \"7\";,")
        .set("endpoint.crm.headers", "user-agent", "box7")
        .set("endpoint.crm.headers", "X-Mixed-Case", "kept")
        .set("endpoint.crm.header_files", "authorization", site.path("token").to_str().unwrap());
    let watchd = config.ready();
    receiver.wait_for_paths(&disk::create_many(&site.root(), "keyed", 5));
    watchd.stop();
    for request in receiver.read(|record| record.requests.clone()) {
        let all = |name: &str| -> Vec<String> {
            let named = request.headers.iter().filter(|(n, _)| n == name);
            named.map(|(_, value)| value.clone()).collect()
        };
        assert_eq!(all("x-api-key"), ["k = \"7\";,"]);
        assert_eq!(all("user-agent"), ["box7"]);
        assert_eq!(all("x-mixed-case"), ["kept"]);
        assert_eq!(all("authorization"), ["Bearer a b="]);
        let sent = &all("webhook-timestamp")[0];
        assert_eq!(
            all("webhook-signature"),
            [signature::v1(SECRET, request.id(), sent, &request.body)]
        );
    }
}

/// Counts, and no measured speed: a slow machine makes fewer requests, never more.
#[test]
fn no_second_holds_more_requests_than_the_rate_limit_allows_repetitions_included() {
    const RATE: usize = 20;
    const CONCURRENCY: usize = 4;
    // A tenth of a second's worth may come at once, a token is taken before it is there in full, and what
    // was under way when a second began may arrive in it.
    const MOST: usize = RATE + RATE / 10 + 2 + CONCURRENCY;
    let times = Arc::new(Mutex::new(Vec::<Instant>::new()));
    let seen = Arc::clone(&times);
    let receiver = Receiver::scripted(move |request| {
        let mut seen = seen.lock().unwrap();
        seen.push(now());
        Reply::Status(if request.attempt() == 1 && seen.len().is_multiple_of(8) {
            500
        } else {
            200
        })
    });
    let site = Site::new();
    let config = site.config(&receiver.url()).endpoint("rate_limit", "20/s");
    let watchd = config.endpoint("concurrency", CONCURRENCY).ready();
    receiver.wait_for_paths(&disk::create_many(&site.root(), "limited", 80));
    watchd.stop();
    receiver.assert_no_duplicates();
    let times = times.lock().unwrap();
    assert!(times.len() >= 85, "{} requests, repetitions included", times.len());
    for (at, first) in times.iter().enumerate() {
        let within = times[at..].iter().filter(|t| **t - *first < Duration::from_secs(1)).count();
        assert!(within <= MOST, "{within} requests within a second, {MOST} are allowed");
    }
}

#[test]
fn what_the_operator_says_about_a_status_is_done_in_place_of_the_table() {
    let site = Site::new();
    let receiver = Receiver::scripted(|request| {
        Reply::Status(match () {
            () if request.is_of("moved.dat") => 302,
            () if request.is_of("late.dat") && request.attempt() < 3 => 404,
            () if request.is_of("broken.dat") => 500,
            () => 200,
        })
    });
    let config = site
        .config(&receiver.url())
        .endpoint("success_statuses", vec![302])
        .endpoint("retry_statuses", vec![404])
        .endpoint("permanent_statuses", vec![500]);
    let watchd = config.ready();
    for name in ["moved.dat", "late.dat", "broken.dat"] {
        disk::create(&site.root(), name);
    }
    // By the table it would wait for ten minutes, and the others behind a breaker.
    assert_eq!(receiver.wait_for_file("late.dat").attempt(), 3);
    watchd.wait_for_file(said::DELIVERED, "moved.dat", 1);
    watchd.wait_for("given up");
    quiet_periods_pass(&site, &receiver, 1);
    let mut rows = Vec::new();
    wait_until("what was delivered has left the journal", || {
        let listed = finish(config.command(&["events", "list", "--json", "--state", "all"]));
        let row = |line: &str| -> Value { serde_json::from_str(line).unwrap() };
        rows = listed.stdout.lines().map(row).collect();
        rows.len() <= 1
    });
    watchd.stop();
    assert_eq!(rows.len(), 1, "{rows:?}");
    let told = ["path", "state", "status", "attempts"].map(|key| rows[0][key].to_string());
    assert_eq!(told, ["\"broken.dat\"", "\"dead\"", "500", "1"]);
    let requests_of = |name: &str| {
        receiver.read(|record| record.requests.iter().filter(|r| r.is_of(name)).count())
    };
    assert_eq!(["moved.dat", "late.dat", "broken.dat"].map(requests_of), [1, 3, 1]);
}
