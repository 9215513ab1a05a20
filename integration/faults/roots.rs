//! Roots that go away, change their meaning, or close.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use super::start_as_nobody;
use crate::{
    harness::{Receiver, Site, disk, log::said},
    promises::assert_each_exactly_once,
};

#[test]
fn a_root_that_is_renamed_and_made_again_is_watched_where_its_path_leads() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let watchd = site.config(&receiver.url()).watch("rescan_interval", "10h").ready();
    let before = disk::create_many(&site.root(), "before", 5);
    receiver.wait_for_paths(&before);
    fs::rename(site.root(), site.path("away")).unwrap();
    fs::create_dir(site.root()).unwrap();
    disk::create(&site.path("away"), "stale.dat");
    watchd.wait_for_count(said::WATCHING, 2);
    let after = disk::create_many(&site.root(), "after", 5);
    receiver.wait_for_paths(&after);
    fs::remove_dir_all(site.root()).unwrap();
    fs::rename(site.path("away"), site.root()).unwrap();
    // What was announced is not announced again; what landed there meanwhile is.
    let stale = site.root().join("stale.dat");
    receiver.wait_for_paths(&[stale]);
    watchd.stop();
    receiver.assert_no_duplicates();
}

#[test]
fn a_root_that_closes_is_suspended_alone_and_goes_on_when_it_opens() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let other = site.path("other");
    fs::create_dir(&other).unwrap();
    let config = site.config(&receiver.url()).watch("rescan_interval", "1s");
    let watchd = start_as_nobody(&site, &config.add_watch("other", &other, &["crm"]));
    watchd.wait_ready(2);
    let mut paths = disk::create_many(&site.root(), "open", 5);
    receiver.wait_for_paths(&paths);
    fs::set_permissions(site.root(), Permissions::from_mode(0o000)).unwrap();
    let line = watchd.wait_for(said::SUSPENDED);
    assert!(line.field("reason").unwrap().contains("Permission denied"), "{}", line.raw);
    let beside = disk::create_many(&other, "beside", 5);
    receiver.wait_for_paths(&beside);
    if disk::is_root() {
        paths.push(disk::create(&site.root(), "while-closed.dat"));
    }
    fs::set_permissions(site.root(), Permissions::from_mode(0o755)).unwrap();
    paths.push(disk::create(&site.root(), "open-again.dat"));
    receiver.wait_for_paths(&paths);
    paths.extend(beside);
    assert_each_exactly_once(&site, watchd, &receiver, &paths);
}
