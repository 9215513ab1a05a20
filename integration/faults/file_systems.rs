//! One proof for each file system that can be made here: what it is trusted with, and that files which were
//! announced are not announced again after it was unmounted and mounted.

use std::{fs::File, path::Path, process::Command};

use crate::{
    harness::{Mount, Receiver, Site, Watchd, disk, skipped},
    promises::assert_each_exactly_once,
};

const INODE: &str = "inode, birth, size, mtime";
const SIZE: &str = "size, mtime";

#[test]
fn ext4_is_watched_by_events_and_survives_a_remount() {
    is_trusted_with("ext4", &["-q", "-F"], INODE, true);
}

#[test]
fn xfs_is_watched_by_events_and_survives_a_remount() {
    is_trusted_with("xfs", &["-q"], INODE, true);
}

#[test]
fn btrfs_is_watched_by_events_and_survives_a_remount() {
    is_trusted_with("btrfs", &["-q"], INODE, true);
}

#[test]
fn vfat_is_told_apart_by_size_and_time_and_survives_a_remount() {
    is_trusted_with("vfat", &[], SIZE, false);
}

#[test]
fn exfat_is_told_apart_by_size_and_time_and_survives_a_remount() {
    is_trusted_with("exfat", &[], SIZE, false);
}

/// Made in an image file; `writers`: whether a lease shows them.
fn is_trusted_with(kind: &str, options: &[&str], identity: &str, writers: bool) {
    let (receiver, site) = (Receiver::up(), Site::new());
    let image = site.path("image");
    // The least that xfs takes; the file has holes.
    File::create(&image).unwrap().set_len(320 << 20).unwrap();
    let mut make = Command::new(format!("mkfs.{kind}"));
    if !make.args(options).arg(&image).output().is_ok_and(|out| out.status.success()) {
        return skipped(&format!("mkfs.{kind} is not installed"));
    }
    let Some(mount) = Mount::image(&image, &site.root()) else {
        return skipped(&format!("this kernel, or this user, cannot mount {kind}"));
    };
    let config = site.config(&receiver.url());
    let watchd = config.ready();
    assert_choice(&watchd, kind, "events", identity, writers);
    let paths = disk::create_many(&site.root(), "kept", 10);
    receiver.wait_for_paths(&paths);
    watchd.stop();
    unmount(&site.root(), mount);
    let _mount = Mount::image(&image, &site.root()).expect("it could be mounted before");
    let watchd = config.ready();
    assert_each_exactly_once(&site, watchd, &receiver, &paths);
}

/// Not lazily: the image must be whole before it is mounted again.
pub(super) fn unmount(at: &Path, mount: Mount) {
    crate::harness::wait_until("unmounted", || {
        Command::new("umount").arg(at).output().is_ok_and(|out| out.status.success())
    });
    std::mem::forget(mount);
}

fn assert_choice(watchd: &Watchd, kind: &str, backend: &str, identity: &str, writers: bool) {
    let line = watchd.wait_for("watching");
    let field = |name| line.field(name).unwrap_or_default();
    let chosen = [field("filesystem"), field("backend"), field("identity")];
    assert_eq!(chosen, [kind, backend, identity], "{}", line.raw);
    assert_eq!(field("writer_detection"), writers.to_string(), "{}", line.raw);
    assert!(!field("because").is_empty(), "the reason is said: {}", line.raw);
}

#[test]
fn tmpfs_is_watched_by_events() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let Some(_mount) = Mount::fresh("tmpfs", &site.root()) else {
        return skipped("mounting needs root");
    };
    let watchd = site.config(&receiver.url()).ready();
    assert_choice(&watchd, "tmpfs", "events", INODE, true);
    let paths = disk::create_many(&site.root(), "here", 10);
    assert_each_exactly_once(&site, watchd, &receiver, &paths);
}

/// What is written to the upper layer behind its back causes no events: the safety scan finds it.
#[test]
fn overlay_is_watched_by_events_and_what_comes_behind_its_back_is_found_by_a_scan() {
    let (receiver, site) = (Receiver::up(), Site::new());
    // An upper layer must not lie on an overlay itself, as the temporary directory may.
    let layers = site.outside();
    let Some(_layers) = Mount::fresh("tmpfs", &layers) else {
        return skipped("mounting needs root");
    };
    let [lower, upper, work] = ["lower", "upper", "work"].map(|name| layers.join(name));
    for dir in [&lower, &upper, &work] {
        std::fs::create_dir(dir).unwrap();
    }
    let mut paths = vec![site.root().join("lower.dat"), site.root().join("upper.dat")];
    disk::create(&lower, "lower.dat");
    let show = |path: &Path| path.to_str().unwrap().to_owned();
    let [l, u, w] = [&lower, &upper, &work].map(|path| show(path));
    let options = format!("lowerdir={l},upperdir={u},workdir={w}");
    let Some(_mount) = Mount::fresh_with("overlay", &site.root(), &["-o", &options]) else {
        return skipped("this kernel cannot mount overlay");
    };
    let watchd = site.config(&receiver.url()).watch("rescan_interval", "1s").ready();
    assert_choice(&watchd, "overlay", "events", INODE, true);
    disk::create(&upper, "upper.dat");
    paths.push(disk::create(&site.root(), "merged.dat"));
    assert_each_exactly_once(&site, watchd, &receiver, &paths);
}

#[test]
fn the_operator_overrules_what_was_chosen() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let config = site.config(&receiver.url()).watch("backend", "poll");
    let config = config.watch("poll_interval", "200ms").watch("writer_detection", "off");
    let watchd = config.ready();
    let line = watchd.wait_for("watching");
    assert_eq!(line.field("backend").as_deref(), Some("poll"));
    assert_eq!(line.field("because").as_deref(), Some("backend = \"poll\" is configured"));
    assert_eq!(line.field("writer_detection").as_deref(), Some("false"));
    let paths = disk::create_many(&site.root(), "polled", 10);
    assert_each_exactly_once(&site, watchd, &receiver, &paths);
}
