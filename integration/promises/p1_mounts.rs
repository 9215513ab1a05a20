//! P1 and P2 where something is mounted at, or below, the watched directory.

use std::{fs, time::Duration};

use super::assert_each_exactly_once;
use crate::harness::{Mount, Receiver, Site, clock::now, disk, skipped};

#[test]
fn an_unknown_file_system_is_scanned_and_its_quiet_period_spans_three_scans() {
    let (receiver, site) = (Receiver::up(), Site::new());
    // Chosen because it is in every kernel, takes empty files, and nobody drops files there.
    let Some(_mount) = Mount::fresh("mqueue", &site.root()) else {
        return skipped("mounting needs root");
    };
    let config = site.config(&receiver.url()).watch("poll_interval", "800ms");
    let watchd = config.ready();
    let begin = now();
    fs::File::create(site.root().join("a.dat")).unwrap();
    receiver.wait_for_file("a.dat");
    assert!(begin.elapsed() >= Duration::from_millis(2400), "after {:?}", begin.elapsed());
    watchd.stop();
}

/// The root has events and 300 ms; what is mounted below it has neither.
#[test]
fn a_file_below_the_root_has_the_quiet_period_of_the_file_system_that_holds_it() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let sub = site.root().join("sub");
    fs::create_dir(&sub).unwrap();
    let Some(_mount) = Mount::fresh("mqueue", &sub) else {
        return skipped("mounting needs root");
    };
    let watchd = site.config(&receiver.url()).watch("poll_interval", "800ms").ready();
    let begin = now();
    fs::File::create(sub.join("a.dat")).unwrap();
    receiver.wait_for_file("a.dat");
    assert!(begin.elapsed() >= Duration::from_millis(2400), "after {:?}", begin.elapsed());
    watchd.stop();
}

#[test]
fn a_file_system_that_is_mounted_below_the_root_is_watched_from_the_next_scan_on() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let (sub, deep) = (site.root().join("sub"), site.root().join("sub/deep"));
    fs::create_dir_all(&deep).unwrap();
    let mut paths = vec![disk::create(&sub, "below.dat"), disk::create(&deep, "below.dat")];
    // The next scan of itself is ten minutes away: what is asked for here comes by a signal, or by events.
    let watchd = site.config(&receiver.url()).ready();
    receiver.wait_for_paths(&paths);
    let Some(mount) = Mount::fresh("tmpfs", &sub) else {
        return skipped("mounting needs root");
    };
    fs::create_dir(&deep).unwrap();
    paths.push(disk::create(&sub, "first.dat"));
    watchd.signal("HUP");
    receiver.wait_for_paths(&paths);
    for dir in [&sub, &deep] {
        paths.push(disk::create(dir, "second.dat"));
        receiver.wait_for_paths(&paths);
    }
    drop(mount);
    paths.push(disk::create(&sub, "third.dat"));
    paths.push(disk::create(&deep, "third.dat"));
    receiver.wait_for_paths(&paths);
    assert_each_exactly_once(&site, watchd, &receiver, &paths);
}
