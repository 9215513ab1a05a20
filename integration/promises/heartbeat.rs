//! The heartbeat: pings while all is well, `/fail` when it is not, and nothing that a file would wait for.

use std::fs;

use crate::harness::{Config, Receiver, Reply, Site, Watchd, disk};

fn with_heartbeat(site: &Site, crm: &Receiver, pulse: &Receiver) -> Config {
    site.config(&crm.url()).set("heartbeat", "url", pulse.url_of("/ping/T0PSECRET")).set(
        "heartbeat",
        "interval",
        "1s",
    )
}

fn count(pulse: &Receiver, target: &str) -> usize {
    let line = format!("POST {target} HTTP/1.1");
    pulse.read(|record| record.requests.iter().filter(|request| request.line == line).count())
}

fn wait_for_pings(pulse: &Receiver, target: &str, more: usize) {
    let (before, line) = (count(pulse, target), format!("POST {target} HTTP/1.1"));
    pulse.wait_for(target, |record| {
        let seen = record.requests.iter().filter(|request| request.line == line).count();
        (seen >= before + more).then_some(())
    });
}

#[test]
fn pings_come_while_all_is_well_and_a_dead_letter_is_told_once() {
    let (crm, pulse) = (Receiver::scripted(|_| Reply::Status(400)), Receiver::up());
    let site = Site::new();
    let watchd = with_heartbeat(&site, &crm, &pulse).endpoint("attempts", 1).ready();
    wait_for_pings(&pulse, "/ping/T0PSECRET", 3);
    assert_eq!(count(&pulse, "/ping/T0PSECRET/fail"), 0);
    disk::create(&site.root(), "doomed.dat");
    watchd.wait_for("given up");
    wait_for_pings(&pulse, "/ping/T0PSECRET/fail", 1);
    wait_for_pings(&pulse, "/ping/T0PSECRET", 2);
    assert_eq!(count(&pulse, "/ping/T0PSECRET/fail"), 1);
    let line = "POST /ping/T0PSECRET/fail HTTP/1.1";
    let said = pulse.read(|r| r.requests.iter().find(|q| q.line == line).unwrap().body.clone());
    assert_eq!(String::from_utf8(said).unwrap(), "1 events were given up");
    let lines = watchd.lines();
    assert!(lines.iter().all(|line| !line.raw.contains("T0PSECRET")), "the URL is a secret");
    watchd.stop();
}

#[test]
fn a_dead_letter_is_told_again_until_somebody_takes_it() {
    let (crm, pulse) = (Receiver::scripted(|_| Reply::Status(400)), Receiver::up());
    let mut refused = 0;
    pulse.script(move |request| {
        let is_refused = request.line.contains("/fail") && refused < 2;
        refused += usize::from(is_refused);
        Reply::Status(if is_refused { 500 } else { 200 })
    });
    let site = Site::new();
    let watchd = with_heartbeat(&site, &crm, &pulse).endpoint("attempts", 1).ready();
    disk::create(&site.root(), "doomed.dat");
    wait_for_pings(&pulse, "/ping/T0PSECRET/fail", 3);
    wait_for_pings(&pulse, "/ping/T0PSECRET", 2);
    assert_eq!(count(&pulse, "/ping/T0PSECRET/fail"), 3);
    watchd.stop();
}

#[test]
fn a_heartbeat_that_nobody_answers_costs_no_file_and_one_request_at_a_time() {
    let (crm, pulse, site) = (Receiver::up(), Receiver::scripted(|_| Reply::Never), Site::new());
    let watchd = with_heartbeat(&site, &crm, &pulse).ready();
    watchd.wait_for("the heartbeat was not taken");
    for n in 0..5 {
        crm.wait_for_paths(&[disk::create(&site.root(), format!("{n}.dat"))]);
    }
    wait_for_pings(&pulse, "/ping/T0PSECRET", 2);
    pulse.script(|_| Reply::Status(200));
    watchd.wait_for("the heartbeat is taken again");
    watchd.stop();
}

#[test]
fn p9_a_stage_that_stands_still_is_told_by_name_and_ends_the_pings() {
    let (crm, pulse, site) = (Receiver::up(), Receiver::up(), Site::new());
    let switch = site.path("stall");
    let mut command = with_heartbeat(&site, &crm, &pulse).run();
    command.env("WATCHD_STALL", format!("lane:{}", switch.display()));
    let watchd = Watchd::spawn(command);
    watchd.wait_ready(1);
    wait_for_pings(&pulse, "/ping/T0PSECRET", 1);
    fs::write(&switch, "").unwrap();
    disk::create(&site.root(), "a.dat");
    wait_for_pings(&pulse, "/ping/T0PSECRET/fail", 1);
    let line = "POST /ping/T0PSECRET/fail HTTP/1.1";
    let said = pulse.read(|r| r.requests.iter().find(|q| q.line == line).unwrap().body.clone());
    assert_eq!(String::from_utf8(said).unwrap(), "lane crm makes no progress");
    // The last ping may have been on its way when it was found out.
    let pings = count(&pulse, "/ping/T0PSECRET");
    wait_for_pings(&pulse, "/ping/T0PSECRET/fail", 3);
    assert_eq!(count(&pulse, "/ping/T0PSECRET"), pings, "nobody is told that all is well");
}

#[test]
fn a_heartbeat_comes_goes_and_moves_by_reload() {
    let (crm, pulse, site) = (Receiver::up(), Receiver::up(), Site::new());
    let config = site.config(&crm.url());
    let watchd = config.ready();
    let url_file = site.path("pulse-url");
    fs::write(&url_file, pulse.url_of("/first")).unwrap();
    let by_file = config.clone().set("heartbeat", "url_file", url_file.to_str().unwrap());
    let by_file = by_file.set("heartbeat", "interval", "1s");
    by_file.reload(&watchd);
    wait_for_pings(&pulse, "/first", 2);
    fs::write(&url_file, pulse.url_of("/second")).unwrap();
    by_file.reload(&watchd);
    wait_for_pings(&pulse, "/second", 2);
    let first = count(&pulse, "/first");
    wait_for_pings(&pulse, "/second", 2);
    assert_eq!(count(&pulse, "/first"), first, "the old place is left alone");
    config.reload(&watchd);
    crm.wait_for_paths(&[disk::create(&site.root(), "a.dat")]);
    watchd.stop();
}
