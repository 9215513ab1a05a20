//! P9: it cannot look alive while it is stuck, and says what it waits for.

use std::{fs, io::Write};

use serde_json::{Value, json};

use crate::harness::{Config, Front, Receiver, Reply, Site, Watchd, disk, skipped, watchd::finish};

fn start(config: Config) -> (Watchd, Front) {
    let watchd = config.set("http", "listen", "127.0.0.1:0").start();
    let front = Front::of(&watchd);
    (watchd, front)
}

/// What `/ready` says that something is not ready.
fn reasons(answer: &Value) -> Vec<(&str, &str)> {
    let list = answer["reasons"].as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter()
        .map(|reason| (reason["what"].as_str().unwrap(), reason["reason"].as_str().unwrap()))
        .collect()
}

#[test]
fn it_is_healthy_and_answers_while_every_endpoint_hangs() {
    let (tar, site) = (Receiver::scripted(|_| Reply::Never), Site::new());
    let config = site.config(&tar.url()).endpoint("timeout", "10m").endpoint("concurrency", 2);
    let (watchd, front) = start(config.set("shutdown", "drain", "200ms"));
    watchd.wait_ready(1);
    disk::create_many(&site.root(), "stuck", 5);
    tar.wait_for_requests(2);
    let status = front.status_when("two requests are under way and three wait", |status| {
        let crm = &status["endpoints"][0];
        crm["in_flight"] == 2 && crm["waiting"] == 5
    });
    assert_eq!(status["healthy"], true);
    assert_eq!(status["journal"]["waiting"], 5);
    let health = front.get("/health");
    assert_eq!((health.status, health.json()), (200, json!({ "healthy": true, "stuck": [] })));
    watchd.stop();
}

#[test]
fn ready_says_which_root_is_missing_and_which_endpoint_is_down_until_they_are_back() {
    let (receiver, gone, site) = (Receiver::up(), Receiver::down_at_first(), Site::new());
    let missing = site.path("missing");
    let config = site
        .config(&receiver.url())
        .add_watch("absent", &missing, &["crm"])
        .add_endpoint("broken", &gone.url())
        .set("endpoint.broken", "secret_files", vec![site.path("later").to_str().unwrap()]);
    let (watchd, front) = start(config);
    let is = |answer: &Value, wanted: &[&str]| {
        reasons(answer).iter().map(|(what, _)| *what).collect::<Vec<_>>() == wanted
    };
    let degraded = front.json_when("/ready", "both are named", |answer| {
        is(answer, &["watch absent", "endpoint broken"])
    });
    let reasons = reasons(&degraded);
    assert!(reasons[0].1.starts_with("suspended: No such file"), "{reasons:?}");
    assert!(reasons[1].1.contains("later: entity not found"), "{reasons:?}");
    assert_eq!(front.get("/ready").status, 503);
    assert_eq!(front.get("/health").status, 200, "a restart would not help");
    fs::create_dir(&missing).unwrap();
    fs::copy(site.path("secret"), site.path("later")).unwrap();
    front.json_when("/ready", "everything is there", |answer| answer["ready"] == true);
    assert_eq!(front.get("/ready").status, 200);
    watchd.stop();
}

#[test]
fn ready_says_that_the_journal_cannot_be_used() {
    let (receiver, site) = (Receiver::up(), Site::new());
    fs::write(site.state_dir(), "not a directory").unwrap();
    let (watchd, front) = start(site.config(&receiver.url()));
    let answer = front.json_when("/ready", "the journal is named", |answer| {
        reasons(answer).iter().any(|(what, why)| *what == "journal" && why.contains("File exists"))
    });
    assert_eq!(answer["ready"], false);
    assert_eq!(front.get("/health").status, 200);
    fs::remove_file(site.state_dir()).unwrap();
    front.json_when("/ready", "the journal is open", |answer| answer["ready"] == true);
    watchd.stop();
}

#[test]
fn status_names_each_file_that_is_waited_for_and_why() {
    let (receiver, site) = (Receiver::up(), Site::new());
    if !disk::tells_writers(&site.root()) {
        return skipped("this file system does not tell writers");
    }
    let marked = site.path("marked");
    fs::create_dir(&marked).unwrap();
    let config = site
        .config(&receiver.url())
        .add_watch("marked", &marked, &["crm"])
        .set("watch.marked", "done_marker", "{name}.done")
        .add_watch("slow", &site.outside(), &["crm"])
        .set("watch.slow", "quiet", "10m");
    let (watchd, front) = start(config);
    watchd.wait_ready(3);
    let mut upload = fs::File::create(site.root().join("half")).unwrap();
    upload.write_all(b"12345").unwrap();
    disk::create(&marked, "alone");
    disk::create(&site.outside(), "<b>young");
    let file =
        |status: &Value, watch: usize| status["watches"][watch]["waiting"]["files"][0].clone();
    let status = front.status_when("each is named with its reason", |status| {
        file(status, 0)["why"] == "open_for_writing"
            && file(status, 1)["why"] == "no_marker"
            && file(status, 2)["why"] == "changed"
    });
    let half = file(&status, 0);
    assert_eq!((&half["path"], &half["size"]), (&json!("half"), &json!(5)));
    assert_eq!(status["watches"][0]["waiting"]["open_for_writing"], 1);
    assert_eq!(file(&status, 1)["path"], "alone");
    assert_eq!(file(&status, 2)["path"], "<b>young");
    assert!(file(&status, 2)["since_s"].is_u64());
    drop(upload);
    let status = front.status_when("nothing is waited for there", |status| {
        status["endpoints"][0]["delivered"] == 1 && file(status, 0).is_null()
    });
    let recent = &status["endpoints"][0]["recent"][0];
    assert_eq!((&recent["path"], &recent["status"]), (&json!("half"), &json!(200)));
    watchd.stop();
}

#[test]
fn status_counts_the_files_that_the_last_scan_ignored_for_their_size() {
    let (receiver, site) = (Receiver::up(), Site::new());
    disk::create_many(&site.root(), "large", 3);
    fs::write(site.root().join("small"), "x").unwrap();
    fs::write(site.root().join(".hidden"), "not a candidate at all").unwrap();
    let config = site.config(&receiver.url()).watch("max_size", "5B");
    let (watchd, front) = start(config.clone());
    receiver.wait_for_file("small");
    let ignored = |status: &Value| status["watches"][0]["last_scan"]["ignored"].clone();
    let status = front.status_when("the first scan has ended", |status| !ignored(status).is_null());
    assert_eq!(ignored(&status), 3);
    fs::remove_file(site.root().join("large-00000.dat")).unwrap();
    watchd.signal("HUP");
    front.status_when("what is gone is not counted any more", |status| ignored(status) == 2);
    let told = finish(config.command(&["status"])).stdout;
    assert!(told.contains("2 ignored by size"), "{told}");
    watchd.stop();
}

#[test]
fn status_tells_dead_letters_failures_and_starts() {
    let site = Site::new();
    let receiver =
        Receiver::scripted(|request| Reply::Status(if request.is_of("bad") { 500 } else { 200 }));
    let config = site.config(&receiver.url()).endpoint("attempts", 2);
    let (mut watchd, front) = start(config.clone());
    watchd.wait_ready(1);
    disk::create(&site.root(), "bad");
    let status = front
        .status_when("the event is dead", |status| status["endpoints"][0]["dead"]["retry"] == 1);
    let crm = &status["endpoints"][0];
    assert_eq!(status["journal"]["dead"], 1);
    assert_eq!((&crm["waiting"], &crm["oldest_s"]), (&json!(0), &Value::Null));
    assert_eq!(crm["last_failure"]["path"], "bad");
    assert_eq!(crm["last_failure"]["status"], 500);
    assert_eq!(status["starts"]["count"], 1);
    watchd.kill9();
    let (watchd, front) = start(config);
    let status = front.status_when("the journal is open", |status| !status["starts"].is_null());
    let starts = json!({ "count": 2, "after_crash": 1, "this_after_crash": true });
    assert_eq!(status["starts"], starts);
    assert_eq!(status["endpoints"][0]["dead"]["retry"], 1, "counted again after the restart");
    watchd.stop();
}
