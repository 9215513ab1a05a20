//! The kernel has no more watches, or no more inotify instances. Each user namespace has limits of its own
//! (`/proc/sys/user`), so that nothing else on this machine is short of them.

use std::{fs, process::Command};

use super::start_as_nobody;
use crate::{
    harness::{
        Front, Receiver, Site, Watchd, disk, skipped,
        watchd::{command_of, program},
    },
    promises::assert_each_exactly_once,
};

/// A daemon with so many of these.
fn start_with(
    limit: &str,
    count: u32,
    config: &crate::harness::Config,
    site: &Site,
) -> Option<Watchd> {
    let set = format!("echo {count} > /proc/sys/user/{limit}");
    let mut probe = Command::new("unshare");
    if !probe.args(["-Ur", "sh", "-c", &set]).output().is_ok_and(|out| out.status.success()) {
        return None;
    }
    let mut command = command_of("unshare", site.home());
    command.args(["-Ur", "sh", "-c", &format!("{set}; exec \"$0\" \"$@\"")]).arg(program());
    Some(Watchd::spawn(config.run_by(command)))
}

/// What root dropped, nobody may not take a lease on (fcntl(2)).
#[test]
fn files_of_others_that_cannot_be_asked_for_their_writers_are_announced_and_counted() {
    let (receiver, site) = (Receiver::up(), Site::new());
    if !disk::is_root() || !disk::tells_writers(&site.root()) {
        return skipped("this needs root, and a file system that tells who writes");
    }
    let config = site.config(&receiver.url()).set("http", "listen", "127.0.0.1:0");
    let watchd = start_as_nobody(&site, &config);
    watchd.wait_ready(1);
    let paths = disk::create_many(&site.root(), "foreign", 5);
    receiver.wait_for_paths(&paths);
    let front = Front::of(&watchd);
    front.status_when("they are counted", |status| status["watches"][0]["unasked"] == 5);
    let metrics = front.get("/metrics").text();
    assert!(metrics.contains("watchd_watch_unasked_files_total{watch=\"inbox\"} 5"), "{metrics}");
    assert_eq!(watchd.count("cannot see who has files of other users open"), 1);
    assert_each_exactly_once(&site, watchd, &receiver, &paths);
}

#[test]
fn directories_beyond_the_limit_of_watches_are_polled_until_there_is_room() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let dirs: Vec<_> = (0..6).map(|n| site.root().join(format!("d{n}"))).collect();
    for dir in &dirs {
        fs::create_dir(dir).unwrap();
    }
    let config = site.config(&receiver.url()).watch("poll_interval", "300ms");
    let config = config.set("http", "listen", "127.0.0.1:0");
    let Some(watchd) = start_with("max_inotify_watches", 4, &config, &site) else {
        return skipped("user namespaces are not allowed here");
    };
    let line = watchd.wait_for("out of kernel watches");
    assert!(line.raw.contains("fs.inotify.max_user_watches"), "it names the way out: {}", line.raw);
    watchd.wait_ready(1);
    let front = Front::of(&watchd);
    front.status_when("what is polled is shown", |status| {
        status["watches"][0]["polled_directories"] == 3
    });
    let metrics = front.get("/metrics").text();
    let polled = "watchd_watch_directories{watch=\"inbox\",how=\"poll\"} 3";
    assert!(metrics.contains(polled), "{metrics}");
    let paths: Vec<_> = dirs.iter().flat_map(|dir| disk::create_many(dir, "each", 5)).collect();
    receiver.wait_for_paths(&paths);
    for dir in &dirs[..3] {
        fs::remove_dir_all(dir).unwrap();
    }
    front.status_when("all of them are watched", |status| {
        let watch = &status["watches"][0];
        watch["polled_directories"] == 0 && watch["directories"] == 4
    });
    assert_each_exactly_once(&site, watchd, &receiver, &paths);
}

#[test]
fn without_an_inotify_instance_the_whole_root_is_polled() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let config = site.config(&receiver.url()).watch("poll_interval", "300ms");
    let Some(watchd) = start_with("max_inotify_instances", 0, &config, &site) else {
        return skipped("user namespaces are not allowed here");
    };
    let line = watchd.wait_for("no kernel events");
    assert!(line.raw.contains("fs.inotify.max_user_instances"), "{}", line.raw);
    let line = watchd.wait_for("watching");
    assert_eq!(line.field("backend").as_deref(), Some("poll"));
    assert_eq!(line.field("because").as_deref(), Some("no inotify instance is left"));
    let paths = disk::create_in_new_dirs(&site.root(), 5, 5);
    assert_each_exactly_once(&site, watchd, &receiver, &paths);
}
