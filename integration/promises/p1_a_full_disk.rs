//! P1 and P4 when the disk of the state directory is full.

use std::{fs, io::Write, path::Path};

use crate::harness::{Mount, Receiver, Reply, Site, disk, log::said, skipped};

#[test]
fn a_state_disk_that_fills_up_costs_no_event_and_takes_part_again_when_it_has_room() {
    let (receiver, site) = (Receiver::up(), Site::new());
    fs::create_dir(site.state_dir()).unwrap();
    let Some(_mount) = Mount::fresh_with("tmpfs", &site.state_dir(), &["-o", "size=2m"]) else {
        return skipped("mounting needs root");
    };
    let watchd = site.config(&receiver.url()).ready();
    let mut paths = vec![disk::create(&site.root(), "before.dat")];
    receiver.wait_for_paths(&paths);
    let filler = site.state_dir().join("filler");
    fill(&filler);
    paths.extend(disk::create_many(&site.root(), "full", 1500));
    watchd.wait_for(said::OUTBOX_FULL);
    fs::remove_file(filler).unwrap();
    receiver.wait_for_paths(&paths);
    watchd.stop();
    receiver.assert_one_id_per_path();
}

#[test]
fn a_state_disk_that_is_full_at_the_start_is_waited_for() {
    let (receiver, site) = (Receiver::up(), Site::new());
    fs::create_dir(site.state_dir()).unwrap();
    let Some(_mount) = Mount::fresh_with("tmpfs", &site.state_dir(), &["-o", "size=2m"]) else {
        return skipped("mounting needs root");
    };
    let filler = site.state_dir().join("filler");
    fill(&filler);
    let watchd = site.config(&receiver.url()).start();
    watchd.wait_for("the journal cannot be used");
    let paths = disk::create_many(&site.root(), "early", 10);
    fs::remove_file(filler).unwrap();
    receiver.wait_for_paths(&paths);
    watchd.stop();
    receiver.assert_no_duplicates();
}

/// The limits of the outbox say nothing about the disk that it is on.
#[test]
fn a_state_disk_that_is_smaller_than_the_outbox_holds_what_it_can_and_takes_the_rest_later() {
    let (receiver, site) = (Receiver::scripted(|_| Reply::Status(503)), Site::new());
    fs::create_dir(site.state_dir()).unwrap();
    let Some(_mount) = Mount::fresh_with("tmpfs", &site.state_dir(), &["-o", "size=2m"]) else {
        return skipped("mounting needs root");
    };
    let watchd = site.config(&receiver.url()).ready();
    let paths = disk::create_many(&site.root(), "many", 3000);
    watchd.wait_for(said::OUTBOX_FULL);
    receiver.script(|_| Reply::Status(200));
    receiver.wait_for_paths(&paths);
    watchd.stop();
    receiver.assert_one_id_per_path();
}

/// Writes until not one byte more fits.
fn fill(path: &Path) {
    let mut filler = fs::File::create(path).unwrap();
    for size in [4096, 1] {
        while filler.write_all(&vec![0; size]).is_ok() {}
    }
}
