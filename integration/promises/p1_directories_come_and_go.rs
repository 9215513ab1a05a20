//! P1: nothing is lost when directories are made, moved and removed while files land in them.

use std::fs;

use super::assert_each_exactly_once;
use crate::harness::{Receiver, Site, disk};

#[test]
fn a_directory_that_is_renamed_is_followed_and_its_old_name_is_watched_again() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let watchd = site.config(&receiver.url()).ready();
    let (old, new) = (site.root().join("old"), site.root().join("new"));
    fs::create_dir_all(old.join("deep")).unwrap();
    let mut paths = vec![disk::create(&old.join("deep"), "first.dat")];
    receiver.wait_for_paths(&paths);
    fs::rename(&old, &new).unwrap();
    paths.push(new.join("deep/first.dat")); // a new name is a new arrival
    paths.push(disk::create(&new.join("deep"), "second.dat"));
    receiver.wait_for_paths(&paths);
    fs::create_dir_all(old.join("deep")).unwrap();
    paths.push(disk::create(&old.join("deep"), "third.dat"));
    paths.push(disk::create(&new.join("deep"), "fourth.dat"));
    assert_each_exactly_once(&site, watchd, &receiver, &paths);
}

#[test]
fn a_directory_that_takes_the_place_of_an_empty_one_is_watched() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let watchd = site.config(&receiver.url()).ready();
    let (target, comes) = (site.root().join("target"), site.outside().join("comes"));
    let mut paths = Vec::new();
    for round in 0..20 {
        fs::create_dir_all(&target).unwrap();
        fs::create_dir(&comes).unwrap();
        fs::rename(&comes, &target).unwrap();
        paths.push(disk::create(&target, format!("{round}.dat")));
        receiver.wait_for_paths(&paths);
        paths.push(disk::create(&target, format!("{round}-later.dat")));
        receiver.wait_for_paths(&paths);
        fs::remove_dir_all(&target).unwrap();
    }
    assert_each_exactly_once(&site, watchd, &receiver, &paths);
}

#[test]
fn directories_that_swap_their_names_keep_their_watches() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let watchd = site.config(&receiver.url()).ready();
    let dir = |name: &str| site.root().join(name);
    for name in ["a", "b"] {
        fs::create_dir(dir(name)).unwrap();
    }
    let mut paths = Vec::new();
    for round in 0..10 {
        fs::rename(dir("a"), dir("aside")).unwrap();
        fs::rename(dir("b"), dir("a")).unwrap();
        fs::rename(dir("aside"), dir("b")).unwrap();
        let landed = ["a", "b"].map(|name| disk::create(&dir(name), format!("{round}.dat")));
        receiver.wait_for_paths(&landed);
        for path in &landed {
            fs::remove_file(path).unwrap();
        }
        paths.extend(landed);
    }
    assert_each_exactly_once(&site, watchd, &receiver, &paths);
}

#[test]
fn a_root_that_is_a_symbolic_link_is_watched_where_it_points() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let link = site.path("link");
    std::os::unix::fs::symlink(site.root(), &link).unwrap();
    let config = site.config(&receiver.url()).watch("path", link.to_str().unwrap());
    let watchd = config.ready();
    fs::create_dir(link.join("d")).unwrap();
    let paths = [disk::create(&link, "top.dat"), disk::create(&link.join("d"), "deep.dat")];
    receiver.wait_for_paths(&paths);
    watchd.stop();
    receiver.assert_no_duplicates();
}

#[test]
fn without_kernel_events_everything_is_found_by_scanning() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let config = site.config(&receiver.url());
    let watchd = config.watch("backend", "poll").watch("poll_interval", "300ms").ready();
    let mut paths = disk::create_in_new_dirs(&site.root(), 10, 10);
    receiver.wait_for_paths(&paths);
    paths.push(disk::create(&site.root(), "later.dat"));
    assert_each_exactly_once(&site, watchd, &receiver, &paths);
}
