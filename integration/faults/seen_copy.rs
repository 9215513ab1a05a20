//! The database is lost and its copy is there: an archive is not announced again.

use std::{fs, path::PathBuf};

use super::shell;
use crate::{
    harness::{Config, Receiver, Reply, Site, disk, log::said},
    promises::assert_each_exactly_once,
};

const ARCHIVE: usize = 10_000;

/// A copy that is older than a day is made anew as soon as the daemon looks.
fn make_copy(site: &Site, config: &Config) {
    let copy = copy_of(site);
    fs::write(&copy, "").unwrap();
    shell(site, "touch -d '2 days ago' state/seen.copy");
    let watchd = config.ready();
    watchd.wait_for("copied what was announced");
    watchd.stop();
    assert!(fs::metadata(&copy).unwrap().len() > 51, "more than a head and a checksum");
}

fn copy_of(site: &Site) -> PathBuf {
    site.state_dir().join("seen.copy")
}

fn lose_database(site: &Site) {
    site.remove_wal();
    fs::remove_file(site.database()).unwrap();
}

/// Ten thousand files that are known, and a daemon that has been away since.
fn archived() -> (Receiver, Site, Config) {
    let (receiver, site) = (Receiver::up(), Site::new());
    disk::create_many(&site.root(), "archive", ARCHIVE);
    let config = site.config(&receiver.url()).watch("initial", "baseline");
    let watchd = config.ready();
    receiver.wait_for_paths(&[disk::create(&site.root(), "delivered.dat")]);
    watchd.stop();
    make_copy(&site, &config);
    (receiver, site, config)
}

#[test]
fn a_lost_database_is_restored_from_its_copy_and_only_what_changed_is_announced() {
    let (receiver, site, config) = archived();
    lose_database(&site);
    let changed = site.root().join("archive-00007.dat");
    fs::write(&changed, "changed since").unwrap();
    let new = disk::create(&site.root(), "new.dat");
    let watchd = config.ready();
    watchd.wait_for("the journal was lost: these files are remembered from its copy");
    let delivered = site.root().join("delivered.dat");
    assert_each_exactly_once(&site, watchd, &receiver, &[delivered, changed, new]);
}

#[test]
fn a_file_that_was_not_delivered_when_the_copy_was_made_is_announced_after_the_loss() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let config = site.config(&receiver.url());
    let watchd = config.ready();
    let kept = disk::create_many(&site.root(), "delivered", 20);
    receiver.wait_for_paths(&kept);
    receiver.script(|_| Reply::Status(503));
    let open = disk::create_many(&site.root(), "open", 20);
    watchd.wait_for_count(said::COMMITTED, 40);
    watchd.stop();
    make_copy(&site, &config);
    lose_database(&site);
    receiver.script(|_| Reply::Status(200));
    let watchd = config.ready();
    let all = [kept, open].concat();
    assert_each_exactly_once(&site, watchd, &receiver, &all);
}

#[test]
fn a_copy_that_is_damaged_is_ignored_with_a_clear_line_and_costs_no_event() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let config = site.config(&receiver.url());
    let watchd = config.ready();
    let paths = disk::create_many(&site.root(), "known", 20);
    receiver.wait_for_paths(&paths);
    watchd.stop();
    make_copy(&site, &config);
    let mut bytes = fs::read(copy_of(&site)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(copy_of(&site), bytes).unwrap();
    lose_database(&site);
    let watchd = config.ready();
    let line = watchd.wait_for("the copy of what was announced cannot be used");
    assert!(line.field("error").unwrap().contains("checksum"), "{}", line.raw);
    receiver.wait_for("all of them again", |record| {
        paths
            .iter()
            .all(|path| record.delivered[path.as_os_str().as_encoded_bytes()].len() == 2)
            .then_some(())
    });
    watchd.stop();
    receiver.assert_one_id_per_path();
}
