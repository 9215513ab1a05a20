//! P1: nothing is lost when the watched directory, or one in it, is away or unreadable for a while.

use std::{
    fs::{self, Permissions},
    os::unix::{fs::PermissionsExt, process::CommandExt},
};

use crate::harness::{
    Config, Receiver, Site, Watchd, disk,
    log::said,
    watchd::{command_of, program},
};

const NOBODY: u32 = 65534;

#[test]
fn a_root_that_vanishes_is_watched_again_when_it_comes_back() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let watchd = site.config(&receiver.url()).ready();
    disk::create(&site.root(), "before.dat");
    receiver.wait_for_file("before.dat");
    fs::remove_dir_all(site.root()).unwrap();
    watchd.wait_for(said::SUSPENDED);
    fs::create_dir(site.root()).unwrap();
    let mut paths = disk::create_in_new_dirs(&site.root(), 3, 3);
    watchd.wait_for_count(said::WATCHING, 2);
    paths.push(disk::create(&site.root(), "after.dat"));
    receiver.wait_for_paths(&paths);
    watchd.stop();
    receiver.assert_no_duplicates();
}

#[test]
fn a_root_that_is_replaced_is_the_one_that_counts() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let watchd = site.config(&receiver.url()).watch("rescan_interval", "2s").ready();
    fs::rename(site.root(), site.path("moved-away")).unwrap();
    fs::create_dir(site.root()).unwrap();
    disk::create(&site.path("moved-away"), "stale.dat");
    let fresh = disk::create_many(&site.root(), "fresh", 5);
    receiver.wait_for_paths(&fresh);
    watchd.stop();
    receiver.read(|record| assert_eq!(record.delivered.len(), 5, "not what landed in the old one"));
}

#[test]
fn a_root_that_is_missing_at_the_start_is_watched_when_it_appears() {
    let (receiver, site) = (Receiver::up(), Site::new());
    fs::remove_dir(site.root()).unwrap();
    let watchd = site.config(&receiver.url()).start();
    watchd.wait_for(said::SUSPENDED);
    fs::create_dir(site.root()).unwrap();
    let early = disk::create(&site.root(), "early.dat");
    watchd.wait_ready(1);
    let late = disk::create(&site.root(), "late.dat");
    receiver.wait_for_paths(&[early, late]);
    watchd.stop();
    receiver.assert_no_duplicates();
}

#[test]
fn a_root_that_is_a_file_at_the_start_is_watched_when_it_is_a_directory() {
    let (receiver, site) = (Receiver::up(), Site::new());
    fs::remove_dir(site.root()).unwrap();
    fs::write(site.root(), "in the way").unwrap();
    let watchd = site.config(&receiver.url()).start();
    watchd.wait_for(said::SUSPENDED);
    fs::remove_file(site.root()).unwrap();
    fs::create_dir(site.root()).unwrap();
    let paths = disk::create_many(&site.root(), "now", 3);
    receiver.wait_for_paths(&paths);
    watchd.stop();
}

#[test]
fn a_directory_that_becomes_readable_is_delivered() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let dir = site.root().join("closed");
    fs::create_dir(&dir).unwrap();
    let hidden = disk::create_many(&dir, "hidden", 5);
    fs::set_permissions(&dir, Permissions::from_mode(0o0)).unwrap();
    let watchd = unprivileged(&site, &receiver);
    watchd.wait_ready(1);
    let open = disk::create_many(&site.root(), "open", 5);
    receiver.wait_for_paths(&open);
    fs::set_permissions(&dir, Permissions::from_mode(0o755)).unwrap();
    receiver.wait_for_paths(&hidden);
    watchd.stop();
    receiver.assert_no_duplicates();
}

#[test]
fn a_directory_that_is_unreadable_when_it_lands_is_delivered_later() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let watchd = unprivileged(&site, &receiver);
    watchd.wait_ready(1);
    let outside = site.outside().join("locked");
    fs::create_dir(&outside).unwrap();
    disk::create_many(&outside, "inside", 5);
    fs::set_permissions(&outside, Permissions::from_mode(0o0)).unwrap();
    let dir = disk::move_into(&outside, &site.root());
    let control = disk::create(&site.root(), "control.dat");
    receiver.wait_for_paths(&[control]);
    fs::set_permissions(&dir, Permissions::from_mode(0o755)).unwrap();
    let inside: Vec<_> = (0..5).map(|n| dir.join(format!("inside-{n:05}.dat"))).collect();
    receiver.wait_for_paths(&inside);
    watchd.stop();
}

#[test]
fn a_directory_that_the_kernel_will_not_watch_is_polled_and_named_once() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let closed = ["one", "two", "three"].map(|name| {
        let dir = site.root().join(name);
        fs::create_dir(&dir).unwrap();
        fs::set_permissions(&dir, Permissions::from_mode(0o0)).unwrap();
        dir
    });
    let config = site.config(&receiver.url()).watch("poll_interval", "200ms");
    let watchd = unprivileged_by(&site, &config);
    watchd.wait_ready(1);
    watchd.wait_for_count(said::SCANNED, 5);
    assert_eq!(watchd.count(said::CANNOT_WATCH), 1, "not for each directory and scan");
    for dir in &closed {
        fs::set_permissions(dir, Permissions::from_mode(0o755)).unwrap();
    }
    let inside = closed.map(|dir| disk::create(&dir, "inside.dat"));
    receiver.wait_for_paths(&inside);
    watchd.stop();
    receiver.assert_no_duplicates();
}

/// A daemon for whom permissions count: root reads everything, so root hands over to nobody.
fn unprivileged(site: &Site, receiver: &Receiver) -> Watchd {
    unprivileged_by(site, &site.config(&receiver.url()).watch("rescan_interval", "2s"))
}

fn unprivileged_by(site: &Site, config: &Config) -> Watchd {
    if !disk::is_root() {
        return config.start();
    }
    site.open_to_all();
    let copy = site.path("watchd");
    fs::copy(program(), &copy).unwrap();
    let mut command = config.run_by(command_of(copy, site.home()));
    command.uid(NOBODY).gid(NOBODY);
    Watchd::spawn(command)
}
