//! P7: it stops cleanly, and what it could not finish is not lost.

use std::time::Duration;

use crate::harness::{Gate, PATIENCE, Receiver, Reply, Site, Watchd, disk, log::said};

/// Far more than any limit in these configurations, far less than a request that hangs.
const MARGIN: Duration = Duration::from_secs(20);

#[test]
fn requests_in_flight_at_sigterm_are_finished_and_not_repeated() {
    finishes_what_is_in_flight("TERM");
}

#[test]
fn requests_in_flight_at_sigint_are_finished_and_not_repeated() {
    finishes_what_is_in_flight("INT");
}

fn finishes_what_is_in_flight(signal: &str) {
    let (gate, site) = (Gate::default(), Site::new());
    let held = gate.clone();
    let receiver = Receiver::scripted(move |_| Reply::Held(held.clone(), 200));
    let config = site.config(&receiver.url()).set("shutdown", "drain", "1m");
    let mut watchd = config.ready();
    let paths = disk::create_many(&site.root(), "flight", 20);
    receiver.wait_for_requests(4);
    watchd.signal(signal);
    watchd.wait_for(said::STOPPING);
    gate.open();
    assert_eq!(watchd.wait_exit(PATIENCE).code(), Some(0));
    watchd.wait_for(said::STOPPED);
    let finished = receiver.read(|record| record.accepted);
    assert!(finished >= 4, "what was in flight was finished: {finished}");
    let watchd = config.ready();
    receiver.wait_for_paths(&paths);
    watchd.stop();
    receiver.assert_no_duplicates();
}

#[test]
fn a_request_that_hangs_ends_with_the_drain_limit_and_is_sent_again_after_the_restart() {
    let (receiver, site) = (Receiver::scripted(|_| Reply::Never), Site::new());
    let config = hanging(&site, &receiver).set("shutdown", "drain", "1s");
    let mut watchd = start_with_hanging_request(&config, &site, &receiver);
    watchd.signal("TERM");
    assert_eq!(watchd.wait_exit(MARGIN).code(), Some(0));
    let hung = receiver.read(|record| record.requests[0].id().to_owned());
    receiver.script(|_| Reply::Status(200));
    let watchd = config.ready();
    let again = receiver.wait_for_file("a.dat");
    watchd.stop();
    assert_eq!(again.id(), hung);
    assert_eq!(again.attempt(), 1, "an attempt that was cut by the stop is not charged");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    for (first, second) in [("TERM", "TERM"), ("INT", "INT"), ("TERM", "INT")] {
        let (receiver, site) = (Receiver::scripted(|_| Reply::Never), Site::new());
        let config = hanging(&site, &receiver).set("shutdown", "drain", "10m");
        let mut watchd = start_with_hanging_request(&config, &site, &receiver);
        watchd.signal(first);
        watchd.wait_for(said::STOPPING);
        assert!(watchd.is_running(), "it waits for the request in flight");
        watchd.signal(second);
        watchd.wait_exit(MARGIN);
    }
}

#[test]
fn a_stop_does_not_wait_for_retries_or_for_files_that_have_not_settled() {
    let (receiver, site) = (Receiver::scripted(|_| Reply::Status(503)), Site::new());
    let config = site
        .config(&receiver.url())
        .set("shutdown", "drain", "10m")
        .endpoint("retry_delays", vec!["10m"])
        .add_watch("slow", &site.outside(), &["crm"])
        .set("watch.slow", "quiet", "10m");
    let mut watchd = config.ready();
    disk::create(&site.root(), "refused.dat");
    let unsettled = disk::create(&site.outside(), "unsettled.dat");
    watchd.wait_for(said::RETRY);
    watchd.signal("TERM");
    assert_eq!(watchd.wait_exit(MARGIN).code(), Some(0));
    receiver.script(|_| Reply::Status(200));
    let watchd = config.set("watch.slow", "quiet", "300ms").ready();
    receiver.wait_for_paths(&[unsettled]);
    watchd.stop();
}

#[test]
fn nothing_new_is_taken_after_sigterm() {
    let (receiver, site) = (Receiver::scripted(|_| Reply::Never), Site::new());
    let config = hanging(&site, &receiver).set("shutdown", "drain", "2s");
    let mut watchd = start_with_hanging_request(&config, &site, &receiver);
    watchd.signal("TERM");
    watchd.wait_for(said::STOPPING);
    let late = disk::create(&site.root(), "late.dat");
    assert_eq!(watchd.wait_exit(MARGIN).code(), Some(0));
    receiver.read(|record| assert!(record.requests.iter().all(|r| !r.is_of("late.dat"))));
    receiver.script(|_| Reply::Status(200));
    let watchd = config.ready();
    receiver.wait_for_paths(&[late]);
    watchd.stop();
}

fn hanging(site: &Site, receiver: &Receiver) -> crate::harness::Config {
    site.config(&receiver.url()).endpoint("timeout", "10m")
}

fn start_with_hanging_request(
    config: &crate::harness::Config,
    site: &Site,
    receiver: &Receiver,
) -> Watchd {
    let watchd = config.ready();
    disk::create(&site.root(), "a.dat");
    receiver.wait_for_requests(1);
    watchd
}
