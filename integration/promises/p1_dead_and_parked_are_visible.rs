//! P1: what is not delivered is visibly waiting, dead or parked, with the daemon up or down.

use serde_json::Value;

use crate::harness::{Config, Receiver, Reply, Site, disk, log::said, watchd::finish};

#[test]
fn an_event_that_is_given_up_is_listed_as_dead_while_the_daemon_runs_and_after() {
    let (receiver, site) = (Receiver::scripted(|_| Reply::Status(500)), Site::new());
    let config = site.config(&receiver.url()).endpoint("attempts", 2);
    let watchd = config.ready();
    disk::create(&site.root(), "doomed.dat");
    watchd.wait_for("given up");
    let listed = list(&config, "dead");
    assert_eq!(listed.len(), 1, "{listed:?}");
    let text = |key: &str| listed[0][key].as_str().unwrap().to_owned();
    assert_eq!((text("path"), text("state")), ("doomed.dat".into(), "dead".into()));
    assert_eq!(
        (listed[0]["status"].as_u64(), listed[0]["attempts"].as_u64()),
        (Some(500), Some(2))
    );
    assert_eq!(text("event"), receiver.read(|record| record.requests[0].id().to_owned()));
    watchd.stop();
    assert_eq!(list(&config, "dead"), listed, "the same with the daemon down");
    assert!(list(&config, "waiting").is_empty());
}

#[test]
fn an_endpoint_that_is_gone_keeps_its_events_until_its_url_changes() {
    let gone = |request: &crate::harness::http::Request| {
        Reply::Status(if request.line.contains("/gone") { 410 } else { 200 })
    };
    let (receiver, site) = (Receiver::scripted(gone), Site::new());
    let config = site.config(&receiver.url_of("/gone"));
    let watchd = config.ready();
    disk::create(&site.root(), "first.dat");
    watchd.wait_for("endpoint parked");
    disk::create(&site.root(), "second.dat");
    watchd.wait_for_count(said::COMMITTED, 2);
    watchd.stop();
    assert_eq!(list(&config, "parked").len(), 2);
    let watchd = config.ready();
    watchd.stop();
    assert_eq!(
        receiver.read(|record| record.requests.len()),
        1,
        "nothing is sent, not after a restart"
    );

    let watchd = config.endpoint("url", receiver.url_of("/moved")).ready();
    let paths = ["first.dat", "second.dat"].map(|name| site.root().join(name));
    receiver.wait_for_paths(&paths);
    watchd.stop();
}

#[test]
fn events_of_an_endpoint_that_is_no_longer_configured_are_parked_and_said() {
    let (dead, alive, site) = (Receiver::down_at_first(), Receiver::up(), Site::new());
    let config = site.config(&dead.url()).add_endpoint("other", &alive.url());
    let both = config.clone().watch("endpoints", vec!["crm", "other"]);
    let watchd = both.ready();
    disk::create(&site.root(), "kept.dat");
    alive.wait_for_file("kept.dat");
    watchd.stop();

    let config = config.without_table("endpoint.crm").watch("endpoints", vec!["other"]);
    let watchd = config.ready();
    watchd.wait_for("events are parked");
    watchd.stop();
    let parked = list(&config, "parked");
    assert_eq!(parked.len(), 1, "{parked:?}");
    assert_eq!(parked[0]["endpoint"], "crm");
}

fn list(config: &Config, state: &str) -> Vec<Value> {
    let listed = finish(config.command(&["events", "list", "--json", "--state", state]));
    let rows: Vec<_> = listed.stdout.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(listed.status.code(), Some(i32::from(rows.is_empty())), "{}", listed.stderr);
    rows
}
