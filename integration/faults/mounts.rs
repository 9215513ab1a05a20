//! Mounts that come and go over, and below, a watched directory.

use std::{fs, process::Command};

use super::file_systems::unmount;
use crate::{
    harness::{Mount, Receiver, Site, disk, log::said, skipped},
    promises::{assert_each_exactly_once, quiet_periods_pass},
};

/// inotify(7) tells nothing of a mount, and the next scan is ten minutes away.
#[test]
fn a_mount_below_the_root_is_noticed_without_a_scan() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let sub = site.root().join("sub");
    fs::create_dir_all(&sub).unwrap();
    let mut paths = vec![disk::create(&sub, "below.dat")];
    let watchd = site.config(&receiver.url()).watch("rescan_interval", "10h").ready();
    receiver.wait_for_paths(&paths);
    let Some(mount) = Mount::fresh("tmpfs", &sub) else {
        return skipped("mounting needs root");
    };
    for name in ["first.dat", "second.dat"] {
        paths.push(disk::create(&sub, name));
        receiver.wait_for_paths(&paths);
    }
    drop(mount);
    paths.push(disk::create(&sub, "third.dat"));
    assert_each_exactly_once(&site, watchd, &receiver, &paths);
}

#[test]
fn a_mount_over_the_root_is_watched_in_its_place_and_what_it_covers_is_not_announced_again() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let covered = disk::create_many(&site.root(), "covered", 5);
    let watchd = site.config(&receiver.url()).watch("rescan_interval", "10h").ready();
    receiver.wait_for_paths(&covered);
    let Some(mount) = Mount::fresh("tmpfs", &site.root()) else {
        return skipped("mounting needs root");
    };
    watchd.wait_for_count(said::WATCHING, 2);
    let inside = disk::create_many(&site.root(), "inside", 5);
    receiver.wait_for_paths(&inside);
    drop(mount);
    watchd.wait_for_count(said::WATCHING, 3);
    quiet_periods_pass(&site, &receiver, 2);
    watchd.stop();
    receiver.assert_no_duplicates();
}

/// An unplugged disk leaves an empty directory behind: nothing of it was removed.
#[test]
fn a_file_system_that_goes_and_comes_back_announces_nothing_again() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let store = site.outside();
    let Some(mount) = Mount::bind(&store, &site.root()) else {
        return skipped("mounting needs root");
    };
    let watchd = site.config(&receiver.url()).watch("rescan_interval", "10h").ready();
    let mut paths = disk::create_many(&site.root(), "kept", 20);
    receiver.wait_for_paths(&paths);
    drop(mount);
    watchd.wait_for_count(said::WATCHING, 2);
    disk::create(&store, "while-away.dat");
    let _mount = Mount::bind(&store, &site.root()).expect("it could be mounted before");
    watchd.wait_for_count(said::WATCHING, 3);
    paths.push(site.root().join("while-away.dat"));
    assert_each_exactly_once(&site, watchd, &receiver, &paths);
}

/// While nobody looks: its root is the directory that it was, and the kernel's watch on it has ended.
#[test]
fn a_file_system_that_is_unmounted_and_mounted_at_once_is_watched_again() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let image = site.path("image");
    fs::File::create(&image).unwrap().set_len(64 << 20).unwrap();
    let made = Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image).output();
    if !made.is_ok_and(|out| out.status.success()) {
        return skipped("mkfs.ext4 is not installed");
    }
    let Some(mount) = Mount::image(&image, &site.root()) else {
        return skipped("mounting needs root");
    };
    let watchd = site.config(&receiver.url()).watch("rescan_interval", "10h").ready();
    let mut paths = disk::create_many(&site.root(), "before", 5);
    receiver.wait_for_paths(&paths);
    watchd.signal("STOP");
    unmount(&site.root(), mount);
    let _mount = Mount::image(&image, &site.root()).expect("it could be mounted before");
    watchd.signal("CONT");
    watchd.wait_for_count(said::WATCHING, 2);
    paths.extend(disk::create_many(&site.root(), "after", 5));
    assert_each_exactly_once(&site, watchd, &receiver, &paths);
}

#[test]
fn with_require_mount_an_empty_mount_point_is_not_watched_and_the_mount_is_at_once() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let config = site.config(&receiver.url()).watch("require_mount", true);
    let watchd = config.start();
    let line = watchd.wait_for(said::SUSPENDED);
    assert!(line.field("reason").unwrap().contains("nothing is mounted here"), "{}", line.raw);
    let beneath = disk::create(&site.root(), "beneath.dat");
    let Some(mount) = Mount::fresh("tmpfs", &site.root()) else {
        return skipped("mounting needs root");
    };
    let inside = disk::create(&site.root(), "inside.dat");
    receiver.wait_for_paths(&[inside]);
    drop(mount);
    watchd.wait_for_count(said::SUSPENDED, 2);
    watchd.stop();
    assert!(receiver.ids_of(&beneath).is_empty(), "what lies beneath the mount is not meant");
}
