//! P1: nothing is lost, however many files come at once and wherever they come.

use std::{
    fs,
    io::Write,
    process::{Child, Command, Stdio},
};

use super::{assert_each_exactly_once, quiet_periods_pass};
use crate::harness::{
    Receiver, Site, Watchd, disk, log::said, skipped, wait_until, watchd::finish,
};

#[test]
fn a_thousand_files_created_at_once_are_each_delivered_exactly_once() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let watchd = site.config(&receiver.url()).ready();
    let paths = disk::create_many(&site.root(), "created", 1000);
    assert_each_exactly_once(&site, watchd, &receiver, &paths);
}

#[test]
fn a_thousand_files_renamed_in_are_each_delivered_exactly_once() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let watchd = site.config(&receiver.url()).ready();
    let paths = disk::rename_many(&site.outside(), &site.root(), "renamed", 1000);
    assert_each_exactly_once(&site, watchd, &receiver, &paths);
}

#[test]
fn a_thousand_files_in_directories_made_just_before_are_each_delivered_exactly_once() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let watchd = site.config(&receiver.url()).ready();
    let paths = disk::create_in_new_dirs(&site.root(), 500, 2);
    assert_each_exactly_once(&site, watchd, &receiver, &paths);
}

#[test]
fn a_full_directory_that_is_moved_in_is_delivered_whole() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let watchd = site.config(&receiver.url()).ready();
    let full = site.outside().join("full");
    let made = disk::create_in_new_dirs(&full, 10, 10);
    disk::move_into(&full, &site.root());
    let moved =
        |path: &std::path::PathBuf| site.root().join(path.strip_prefix(site.outside()).unwrap());
    let paths: Vec<_> = made.iter().map(moved).collect();
    assert_each_exactly_once(&site, watchd, &receiver, &paths);
}

#[test]
fn files_that_are_there_at_the_start_are_delivered_as_initial() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let there = disk::create_many(&site.root(), "there", 20);
    let watchd = site.config(&receiver.url()).ready();
    receiver.wait_for_paths(&there);
    disk::create(&site.root(), "later.dat");
    let later = receiver.wait_for_file("later.dat");
    assert_eq!(later.data("initial"), false, "a file that lands later is not initial");
    watchd.stop();
    receiver.assert_no_duplicates();
    receiver.read(|record| {
        for request in record.requests.iter().filter(|request| !request.is_of("later.dat")) {
            assert_eq!(request.data("initial"), true, "{}", request.data("path"));
        }
    });
}

#[test]
fn a_baseline_is_recorded_silently_and_what_comes_later_is_delivered() {
    let (receiver, site) = (Receiver::up(), Site::new());
    disk::create_many(&site.root(), "archive", 20);
    let config = site.config(&receiver.url()).watch("initial", "baseline");
    let watchd = config.ready();
    quiet_periods_pass(&site, &receiver, 3);
    watchd.stop();
    let watchd = config.ready();
    quiet_periods_pass(&site, &receiver, 3);
    watchd.stop();
    receiver.read(|record| assert_eq!(record.delivered.len(), 6, "the control files alone"));
}

#[test]
fn an_overflow_of_the_kernel_queue_loses_nothing() {
    let Some(lowered) = LoweredQueue::to(16) else {
        return skipped("lowering /proc/sys/fs/inotify/max_queued_events needs root");
    };
    let (receiver, site) = (Receiver::up(), Site::new());
    let watchd = site.config(&receiver.url()).ready();
    drop(lowered); // the daemon's queue keeps the limit that it was made with
    watchd.signal("STOP"); // nobody empties the queue meanwhile
    let mut paths = disk::create_in_new_dirs(&site.root(), 100, 10);
    paths.extend(disk::create_many(&site.root(), "burst", 1000));
    watchd.signal("CONT");
    receiver.wait_for_paths(&paths);
    watchd.wait_for(said::OVERFLOW);
    assert_each_exactly_once(&site, watchd, &receiver, &paths);
}

/// The first scan of many files must end while losses go on, faster than one scan takes.
#[test]
fn a_storm_of_overflows_keeps_no_scan_from_its_end() {
    let Some(lowered) = LoweredQueue::to(16) else {
        return skipped("lowering /proc/sys/fs/inotify/max_queued_events needs root");
    };
    let (receiver, site) = (Receiver::up(), Site::new());
    for n in 0..100 {
        let dir = site.root().join(format!("archive-{n}"));
        fs::create_dir(&dir).unwrap();
        disk::create_many(&dir, "old", 300);
    }
    let watchd = site.config(&receiver.url()).watch("initial", "baseline").start();
    wait_until("a scan to end in the storm", || {
        storm(&site, &watchd);
        watchd.count(said::WATCHING) > 0
    });
    watchd.wait_for(said::OVERFLOW);
    drop(lowered);
    quiet_periods_pass(&site, &receiver, 2);
    watchd.stop();
    receiver.read(|record| assert_eq!(record.delivered.len(), 2, "the control files alone"));
}

/// More events than a queue of 16 takes, about names that do not count, while nobody reads them.
fn storm(site: &Site, watchd: &Watchd) {
    watchd.signal("STOP");
    for path in disk::create_many(&site.root(), ".noise", 30) {
        fs::remove_file(path).unwrap();
    }
    watchd.signal("CONT");
}

#[test]
fn a_baseline_does_not_swallow_a_file_that_is_still_being_written() {
    let (receiver, site) = (Receiver::up(), Site::new());
    if !disk::tells_writers(&site.root()) {
        return skipped("the file system of the temporary directory knows no leases");
    }
    disk::create_many(&site.root(), "archive", 20);
    let mut writer = fs::File::create(site.root().join("open.dat")).unwrap();
    writer.write_all(b"whole before the scan, but not closed").unwrap();
    let watchd = site.config(&receiver.url()).watch("initial", "baseline").ready();
    quiet_periods_pass(&site, &receiver, 3);
    assert!(receiver.ids_of(&site.root().join("open.dat")).is_empty(), "announced early");
    drop(writer);
    let paths = [site.root().join("open.dat")];
    receiver.wait_for_paths(&paths);
    assert_each_exactly_once(&site, watchd, &receiver, &paths);
}

#[test]
fn a_baseline_does_not_swallow_a_file_that_waits_for_its_marker() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let paths = [disk::create(&site.root(), "a.pdf")];
    let config = site.config(&receiver.url()).watch("initial", "baseline");
    let watchd = config.watch("done_marker", "{name}.done").ready();
    disk::create(&site.root(), "a.pdf.done");
    receiver.wait_for_paths(&paths);
    watchd.stop();
    receiver.assert_no_duplicates();
}

#[test]
fn flags_alone_are_a_whole_daemon() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let watchd = site.bare(&receiver.url());
    watchd.wait_ready(1);
    let paths = disk::create_many(&site.root(), "plain", 10);
    assert_each_exactly_once(&site, watchd, &receiver, &paths);
}

#[test]
fn print_config_shows_what_the_flags_amount_to_as_a_file_that_check_accepts() {
    let site = Site::new();
    let root = site.root();
    let dir = root.to_str().unwrap();
    let flags = ["--dir", dir, "--url", "http://127.0.0.1:9/hook", "--print-config"];
    let printed = finish(site.watchd(&flags));
    assert_eq!(printed.status.code(), Some(0), "{}", printed.stderr);
    fs::write(site.path("printed.toml"), &printed.stdout).unwrap();
    let checked = finish(site.watchd(&["check", "--config", "printed.toml"]));
    assert_eq!(checked.status.code(), Some(0), "{}{}", printed.stdout, checked.stderr);
}

/// The kernel's limit for new inotify queues, lowered; a helper process restores it when this is dropped,
/// even when the test is killed.
struct LoweredQueue {
    restorer: Child,
    /// One test at a time: what the next one finds is what it puts back.
    _turn: fs::File,
}

impl LoweredQueue {
    const FILE: &str = "/proc/sys/fs/inotify/max_queued_events";

    fn to(limit: u32) -> Option<Self> {
        let turn = fs::File::create(std::env::temp_dir().join("watchd-proof-queue.lock")).ok()?;
        turn.lock().ok()?;
        let before = fs::read_to_string(Self::FILE).ok()?;
        let writable = fs::OpenOptions::new().write(true).open(Self::FILE);
        let script = format!("read -r _; echo {} > {}", before.trim(), Self::FILE);
        let mut restorer = Command::new("sh");
        let mut file = writable.ok()?;
        let restorer = restorer.args(["-c", &script]).stdin(Stdio::piped()).spawn().ok()?;
        let lowered = Self { restorer, _turn: turn };
        write!(file, "{limit}").ok().map(|()| lowered)
    }
}

impl Drop for LoweredQueue {
    fn drop(&mut self) {
        drop(self.restorer.stdin.take());
        drop(self.restorer.wait());
    }
}
