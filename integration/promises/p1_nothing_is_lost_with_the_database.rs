//! P1 and P3: a database that is gone or damaged costs no event, and the same ids come out again.

use std::{collections::HashMap, fs, os::unix::fs::FileExt, path::Path};

use crate::harness::{Config, Receiver, Reply, Site, disk, log::said, watchd::finish};

#[test]
fn a_deleted_database_is_rebuilt_with_the_same_ids() {
    let case = Case::with_undelivered_files();
    fs::remove_file(case.site.database()).unwrap();
    case.restart_and_compare_ids();
}

#[test]
fn an_emptied_database_is_rebuilt_with_the_same_ids() {
    let case = Case::with_undelivered_files();
    fs::write(case.site.database(), "").unwrap();
    case.restart_and_compare_ids();
}

#[test]
fn a_truncated_database_is_set_aside_and_rebuilt_with_the_same_ids() {
    set_aside_and_rebuilt(|bytes| bytes.truncate(bytes.len() / 2 + 17));
}

#[test]
fn a_zeroed_database_is_set_aside_and_rebuilt_with_the_same_ids() {
    set_aside_and_rebuilt(|bytes| bytes.fill(0));
}

#[test]
fn a_database_that_is_something_else_is_set_aside_and_rebuilt_with_the_same_ids() {
    set_aside_and_rebuilt(|bytes| *bytes = b"this was never a database\n".repeat(400));
}

#[test]
fn a_database_with_a_good_head_and_a_scribbled_rest_is_set_aside_and_rebuilt_with_the_same_ids() {
    set_aside_and_rebuilt(|bytes| bytes[4096..].fill(0xA5));
}

/// What a lane holds of the old database must not end an event of the new one.
#[test]
fn a_database_that_is_damaged_while_the_daemon_runs_costs_no_event() {
    let (receiver, site) = (Receiver::scripted(|_| Reply::Status(503)), Site::new());
    let config = site.config(&receiver.url());
    let watchd = config.ready();
    let mut paths = disk::create_many(&site.root(), "held", 3000);
    watchd.wait_for_count(said::COMMITTED, paths.len());
    let database = site.database();
    let len = fs::metadata(&database).unwrap().len();
    let file = fs::OpenOptions::new().write(true).open(&database).unwrap();
    file.write_all_at(&vec![0xA5; usize::try_from(len).unwrap() - 4096], 4096).unwrap();
    paths.extend(disk::create_many(&site.root(), "more", 5));
    // The lane has what it needs in its hands, and the journal in its cache. Whoever reads it all meets the
    // damage, and it is met at the latest when the event is read that is to be sent.
    drop(finish(config.command(&["events", "list", "--limit", "100000"])));
    watchd.wait_for("the journal is damaged");
    receiver.script(|_| Reply::Status(200));
    receiver.wait_for_paths(&paths);
    watchd.stop();
    receiver.assert_one_id_per_path();
}

#[test]
fn a_lost_database_does_not_become_a_baseline() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let config = site.config(&receiver.url()).watch("initial", "baseline");
    let watchd = config.ready();
    disk::create(&site.root(), "before.dat");
    receiver.wait_for_file("before.dat");
    watchd.stop();
    fs::remove_file(site.database()).unwrap();
    disk::create(&site.root(), "while-away.dat");
    let watchd = config.ready();
    receiver.wait_for_file("while-away.dat");
    watchd.stop();
    receiver.assert_one_id_per_path();
}

fn set_aside_and_rebuilt(damage: impl Fn(&mut Vec<u8>)) {
    let case = Case::with_undelivered_files();
    let database = case.site.database();
    let mut bytes = fs::read(&database).unwrap();
    damage(&mut bytes);
    fs::write(&database, &bytes).unwrap();
    let site = case.restart_and_compare_ids();
    let is_kept =
        |path: &&std::path::PathBuf| **path != database && fs::read(path).unwrap() == bytes;
    let files = site.state_files();
    let kept = files.iter().find(is_kept);
    assert!(kept.is_some(), "the damaged database is kept under another name: {files:?}");
}

/// A stopped daemon with files that it committed and could not deliver.
struct Case {
    site: Site,
    receiver: Receiver,
    config: Config,
    ids: HashMap<Vec<u8>, String>,
}

impl Case {
    fn with_undelivered_files() -> Self {
        let receiver = Receiver::scripted(|_| Reply::Status(503));
        let site = Site::new();
        let config = site.config(&receiver.url());
        let watchd = config.ready();
        disk::create_many(&site.root(), "kept", 40);
        let ids = receiver.wait_for("every file was tried", |record| {
            let tried = record.requests.iter();
            let ids: HashMap<_, _> = tried.map(|r| (r.path.clone(), r.id().to_owned())).collect();
            (ids.len() == 40).then_some(ids)
        });
        watchd.stop();
        site.remove_wal();
        Self { site, receiver, config, ids }
    }

    fn restart_and_compare_ids(self) -> Site {
        let paths: Vec<_> = self.ids.keys().map(|path| as_path(path).to_path_buf()).collect();
        self.receiver.script(|_| Reply::Status(200));
        let watchd = self.config.ready();
        self.receiver.wait_for_paths(&paths);
        watchd.stop();
        for (path, id) in &self.ids {
            let ids = self.receiver.ids_of(as_path(path));
            assert_eq!(&ids, std::slice::from_ref(id), "{}", as_path(path).display());
        }
        self.site
    }
}

fn as_path(bytes: &[u8]) -> &Path {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    Path::new(OsStr::from_bytes(bytes))
}
