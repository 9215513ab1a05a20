//! A share whose server stops answering, or whose disk fails: a file system of our own that does so when told.

use std::{fs, path::Path};

use crate::{
    harness::{Config, Front, Receiver, Site, Watchd, disk, helpers::Steps, log::said, skipped},
    promises::assert_each_exactly_once,
};

const FUSE: &str = include_str!("fuse.py");

/// Mounts it; each further step of `then` is one line of Python.
fn mount(at: &Path, then: &[&str]) -> Option<Steps> {
    if !disk::is_root() || fs::metadata("/dev/fuse").is_err() {
        skipped("a file system of our own needs root and /dev/fuse");
        return None;
    }
    let steps = then.join("\n        yield\n        ");
    let program = format!(
        "{FUSE}\ndef steps(path):\n    mount(path)\n    try:\n        yield\n        {steps}\n        yield\n    finally:\n        unmount(path)\n"
    );
    Some(Steps::python(&program, at))
}

/// `inbox` on the disk, `share` on what hangs.
fn config(site: &Site, receiver: &Receiver, share: &Path) -> Config {
    let config = site.config(&receiver.url()).add_watch("share", share, &["crm"]);
    config.set("watch.share", "poll_interval", "100ms").set("http", "listen", "127.0.0.1:0")
}

fn share_of(site: &Site) -> std::path::PathBuf {
    let share = site.path("share");
    fs::create_dir(&share).unwrap();
    share
}

#[test]
fn a_share_that_stops_answering_delays_no_other_watch_no_page_no_reload_and_no_stop() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let share = share_of(&site);
    // The step ends when somebody waits for an answer.
    let Some(mut fuse) = mount(&share, &["turn('hangs'); unanswered.wait()"]) else { return };
    let config = config(&site, &receiver, &share);
    let watchd = config.ready();
    receiver.wait_for_file("remote.dat");
    fuse.next();
    goes_on(&watchd, &site, &receiver, &config);
    watchd.stop();
    fuse.end();
    receiver.assert_no_duplicates();
}

#[test]
fn a_share_that_answers_again_is_watched_again() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let share = share_of(&site);
    let steps = ["turn('hangs'); unanswered.wait()", "names.append('later.dat'); turn('works')"];
    let Some(mut fuse) = mount(&share, &steps) else { return };
    let watchd = config(&site, &receiver, &share).ready();
    receiver.wait_for_file("remote.dat");
    fuse.next();
    let beside = disk::create_many(&site.root(), "beside", 5);
    receiver.wait_for_paths(&beside);
    fuse.next();
    let mut paths = vec![share.join("remote.dat"), share.join("later.dat")];
    receiver.wait_for_paths(&paths);
    paths.extend(beside);
    assert_each_exactly_once(&site, watchd, &receiver, &paths);
    fuse.end();
}

/// Nothing tells of what another host drops there, and the next scan of the whole is hours away.
#[test]
fn a_share_that_is_mounted_below_a_root_with_events_is_scanned_as_often_as_one_that_is_a_root() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let share = site.root().join("share");
    fs::create_dir(&share).unwrap();
    let Some(mut fuse) = mount(&share, &["names.append('later.dat')"]) else { return };
    let config = site.config(&receiver.url()).watch("rescan_interval", "10h");
    let config = config.watch("poll_interval", "100ms").set("http", "listen", "127.0.0.1:0");
    let watchd = config.ready();
    let mut paths = vec![share.join("remote.dat")];
    receiver.wait_for_paths(&paths);
    fuse.next();
    paths.extend([share.join("later.dat"), disk::create(&site.root(), "beside.dat")]);
    receiver.wait_for_paths(&paths);
    let status = Front::of(&watchd).get("/status").json();
    let watch = &status["watches"][0];
    assert_eq!((&watch["backend"], &watch["polled_directories"]), (&"events".into(), &1.into()));
    assert_each_exactly_once(&site, watchd, &receiver, &paths);
    fuse.end();
}

#[test]
fn a_share_that_hangs_from_the_start_keeps_nothing_else_from_starting() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let share = share_of(&site);
    let Some(mut fuse) = mount(&share, &["turn('hangs')", "unanswered.wait()"]) else { return };
    fuse.next();
    let config = config(&site, &receiver, &share);
    let watchd = config.start();
    fuse.next();
    watchd.wait_ready(1);
    goes_on(&watchd, &site, &receiver, &config);
    watchd.stop();
    fuse.end();
}

/// Everything but the share does: files, pages, health, and a new configuration.
fn goes_on(watchd: &Watchd, site: &Site, receiver: &Receiver, config: &Config) {
    let beside = disk::create_many(&site.root(), "beside", 20);
    receiver.wait_for_paths(&beside);
    let front = Front::of(watchd);
    assert_eq!(front.get("/health").status, 200, "{}", front.get("/health").text());
    let more = site.path("more");
    fs::create_dir(&more).unwrap();
    config.clone().add_watch("more", &more, &["crm"]).reload(watchd);
    let there = disk::create_many(&more, "there", 5);
    receiver.wait_for_paths(&there);
}

#[test]
fn a_share_whose_disk_fails_is_suspended_alone_and_announces_nothing_again() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let share = share_of(&site);
    let steps = ["turn('fails')", "names.append('later.dat'); turn('works')"];
    let Some(mut fuse) = mount(&share, &steps) else { return };
    let watchd = config(&site, &receiver, &share).ready();
    receiver.wait_for_file("remote.dat");
    fuse.next();
    let line = watchd.wait_for(said::SUSPENDED);
    assert!(line.field("reason").unwrap().contains("Input/output error"), "{}", line.raw);
    let status = Front::of(&watchd)
        .status_when("it is shown", |status| status["watches"][1]["state"] == "suspended");
    assert_eq!(status["watches"][0]["state"], "watching");
    let beside = disk::create_many(&site.root(), "beside", 5);
    receiver.wait_for_paths(&beside);
    fuse.next();
    let mut paths = vec![share.join("remote.dat"), share.join("later.dat")];
    receiver.wait_for_paths(&paths);
    paths.extend(beside);
    assert_each_exactly_once(&site, watchd, &receiver, &paths);
    fuse.end();
}
