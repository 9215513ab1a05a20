//! A state directory that cannot be written. What a damaged database costs is proven in
//! `promises/p1_nothing_is_lost_with_the_database.rs`, a full disk in `promises/p1_a_full_disk.rs`.

use std::{fs, process::Command};

use crate::harness::{Mount, Receiver, Site, disk, skipped};

fn remount(site: &Site, how: &str) {
    let mut command = Command::new("mount");
    let status = command.args(["-o", &format!("remount,{how}")]).arg(site.state_dir()).status();
    assert!(status.unwrap().success(), "remounted {how}");
}

#[test]
fn a_state_directory_that_becomes_read_only_costs_no_event_and_is_used_again_when_it_can_be() {
    let (receiver, site) = (Receiver::up(), Site::new());
    fs::create_dir(site.state_dir()).unwrap();
    let Some(_mount) = Mount::fresh_with("tmpfs", &site.state_dir(), &["-o", "size=16m"]) else {
        return skipped("mounting needs root");
    };
    let watchd = site.config(&receiver.url()).ready();
    let mut paths = disk::create_many(&site.root(), "before", 5);
    receiver.wait_for_paths(&paths);
    // While a file is open for writing the remount is refused.
    watchd.stop();
    remount(&site, "ro");
    let config = site.config(&receiver.url());
    let watchd = config.start();
    watchd.wait_for("the journal cannot be used");
    paths.extend(disk::create_many(&site.root(), "meanwhile", 20));
    remount(&site, "rw");
    receiver.wait_for_paths(&paths);
    watchd.stop();
    receiver.assert_no_duplicates();
}
