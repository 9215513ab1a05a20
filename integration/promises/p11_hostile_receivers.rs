//! P11 and P6: whatever a receiver answers, the daemon lives on and the other endpoints notice nothing.

use std::time::Duration;

use crate::harness::{
    Receiver, Reply, Request, Site, Watchd,
    clock::now,
    disk,
    log::said,
    skipped,
    watchd::{command_of, finish},
};

const FILES: usize = 12;

/// Puts a hostile endpoint beside a healthy one. Both get every file; the hostile one from a receiver that
/// becomes kind after `hostile` requests.
fn survives(hostile_requests: usize, mut hostile: impl FnMut(&Request) -> Reply + Send + 'static) {
    let (healthy, site) = (Receiver::up(), Site::new());
    let mut left = hostile_requests;
    let receiver = Receiver::scripted(move |request| {
        if left == 0 {
            return Reply::Status(200);
        }
        left -= 1;
        hostile(request)
    });
    let mut watchd = site
        .config(&healthy.url())
        .add_endpoint("hostile", &receiver.url())
        .set("endpoint.hostile", "timeout", "2s")
        .watch("endpoints", vec!["hostile", "crm"])
        .ready();
    let paths = disk::create_many(&site.root(), "hostile", FILES);
    healthy.wait_for_paths(&paths);
    receiver.wait_for_paths(&paths);
    assert!(watchd.is_running());
    watchd.stop();
    healthy.assert_no_duplicates();
    receiver.assert_one_id_per_path();
}

#[test]
fn garbage_in_place_of_an_answer_is_a_failed_attempt() {
    survives(6, |_| Reply::Raw(b"\x00\xff\x16\x03 this is no HTTP \r\n\r\n".to_vec()));
}

#[test]
fn closed_and_reset_connections_are_failed_attempts() {
    let mut turn = 0;
    survives(8, move |_| {
        turn += 1;
        if turn % 2 == 0 { Reply::Close } else { Reply::Reset }
    });
}

#[test]
fn a_flood_of_interim_answers_is_a_failed_attempt() {
    survives(4, |_| Reply::Raw(b"HTTP/1.1 100 Continue\r\n\r\n".repeat(100_000)));
}

#[test]
fn a_head_without_end_is_a_failed_attempt() {
    survives(4, |_| {
        let mut head = b"HTTP/1.1 200 OK\r\n".to_vec();
        head.extend(b"X-More: and more and more and more\r\n".repeat(200_000));
        Reply::Raw(head)
    });
}

#[test]
fn statuses_that_do_not_exist_are_failed_attempts() {
    let mut turn = 0;
    survives(5, move |_| {
        turn += 1;
        let answers = ["099 Low", "600 High", "999 Higher", "20 Short", "2000 Long"];
        let status = answers[turn % answers.len()];
        Reply::Raw(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").into_bytes())
    });
}

#[test]
fn a_body_without_end_after_200_is_a_delivery() {
    delivers_once(|| Reply::Endless);
}

#[test]
fn a_body_that_trickles_after_200_is_a_delivery_and_holds_up_nobody() {
    delivers_once(|| Reply::Trickle);
}

/// The status line decides; what follows it is read within limits or not at all.
fn delivers_once(reply: fn() -> Reply) {
    let site = Site::new();
    let receiver = Receiver::scripted(move |_| reply());
    let watchd = site.config(&receiver.url()).endpoint("timeout", "10m").ready();
    let paths = disk::create_many(&site.root(), "body", FILES);
    receiver.wait_for_paths(&paths);
    watchd.wait_for_count(said::DELIVERED, FILES);
    assert!(watchd.memory_kib() < 128 * 1024, "{} KiB resident", watchd.memory_kib());
    watchd.stop();
    receiver.assert_no_duplicates();
}

#[test]
fn an_absurd_retry_after_neither_crashes_nor_holds_up_the_other_endpoint() {
    let values =
        ["1e300", "-1", "inf", "NaN", "99999999999999999999999", "5, 6", "", "soon", "\u{e9}"];
    let (healthy, site) = (Receiver::up(), Site::new());
    let mut turn = 0;
    let hostile = Receiver::scripted(move |_| {
        turn += 1;
        let value = values[turn % values.len()];
        Reply::Headers(500, format!("Retry-After: {value}\r\nRetry-After: {value}\r\n"))
    });
    let mut watchd = site
        .config(&healthy.url())
        .add_endpoint("hostile", &hostile.url())
        .watch("endpoints", vec!["hostile", "crm"])
        .ready();
    let paths = disk::create_many(&site.root(), "absurd", FILES);
    healthy.wait_for_paths(&paths);
    hostile.wait_for_requests(1);
    let more = disk::create_many(&site.root(), "more", FILES);
    healthy.wait_for_paths(&more);
    assert!(watchd.is_running());
    watchd.stop();
}

#[test]
fn a_retry_after_that_is_not_a_number_or_date_changes_nothing() {
    let mut left = 8;
    survives(8, move |_| {
        left -= 1;
        let value = ["1e300", "-1", "inf", "1.5", "+1", "soon", "1 2", ""][left];
        Reply::Headers(500, format!("Retry-After: {value}\r\n"))
    });
}

#[test]
fn retry_after_holds_the_whole_lane() {
    let site = Site::new();
    let mut first = true;
    let receiver = Receiver::scripted(move |_| {
        if std::mem::take(&mut first) {
            return Reply::Headers(503, "Retry-After: 3\r\n".to_owned());
        }
        Reply::Status(200)
    });
    let watchd = site.config(&receiver.url()).ready();
    disk::create(&site.root(), "first.dat");
    receiver.wait_for_requests(1);
    let asked = now();
    let other = disk::create(&site.root(), "other.dat");
    receiver.wait_for_paths(&[other]);
    let waited = asked.elapsed();
    assert!(waited >= Duration::from_millis(2900), "another file was sent after {waited:?}");
    watchd.stop();
}

#[test]
fn redirects_are_never_followed() {
    let site = Site::new();
    let trap = Receiver::up();
    let target = trap.url();
    let receiver =
        Receiver::scripted(move |_| Reply::Headers(307, format!("Location: {target}\r\n")));
    let watchd = site.config(&receiver.url()).ready();
    disk::create(&site.root(), "a.dat");
    watchd.wait_for_log("the answer 307", |line| line.field("status").as_deref() == Some("307"));
    watchd.stop();
    trap.read(|record| assert_eq!(record.requests.len(), 0, "the trap was visited"));
}

/// In a network namespace of its own, where not even loopback is up.
#[test]
fn a_machine_without_a_network_charges_nobody() {
    let mut probe = std::process::Command::new("unshare");
    if !probe.args(["-n", "true"]).status().is_ok_and(|status| status.success()) {
        return skipped("no right to make a network namespace");
    }
    let (receiver, site) = (Receiver::up(), Site::new());
    let config = site.config(&receiver.url());
    let mut alone = command_of("unshare", site.home());
    alone.arg("-n").arg(env!("CARGO_BIN_EXE_watchd"));
    let watchd = Watchd::spawn(config.run_by(alone));
    watchd.wait_ready(1);
    disk::create(&site.root(), "a.dat");
    let line = watchd.wait_for("endpoint paused");
    assert_eq!(line.field("class").as_deref(), Some("local"), "{}", line.raw);
    let reason = line.field("reason").unwrap();
    assert!(reason.contains("no route to any network"), "{reason}");
    let listed = finish(config.command(&["events", "list", "--json"]));
    let event: serde_json::Value = serde_json::from_str(listed.stdout.trim()).unwrap();
    assert_eq!((&event["state"], &event["attempts"]), (&"waiting".into(), &0.into()));
    watchd.stop();

    let watchd = config.ready();
    let request = receiver.wait_for_file("a.dat");
    assert_eq!(request.attempt(), 1, "the first attempt is the first that reached the network");
    watchd.stop();
}
