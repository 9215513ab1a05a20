//! P1: the table of arrivals, each line through the real daemon. What is no arrival is proven by control
//! files: had it been one, it would have been delivered before the third of them.

use std::{
    fs::{self, FileTimes, OpenOptions, Permissions},
    io::Write,
    os::unix::fs::{PermissionsExt, symlink},
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::quiet_periods_pass;
use crate::harness::{Receiver, Request, Site, Watchd, disk};

/// A daemon that has delivered `a.dat`.
struct Case {
    site: Site,
    receiver: Receiver,
    watchd: Watchd,
    file: PathBuf,
    first: Arc<Request>,
}

impl Case {
    fn delivered() -> Self {
        let (receiver, site) = (Receiver::up(), Site::new());
        let watchd = site.config(&receiver.url()).ready();
        let file = disk::create(&site.root(), "a.dat");
        let first = receiver.wait_for_file("a.dat");
        Self { site, receiver, watchd, file, first }
    }

    fn assert_second_generation(self, what: &str) {
        let second = self.receiver.wait_for(what, |record| {
            let of_file = |request: &&Arc<Request>| request.is_of("a.dat");
            record.requests.iter().filter(of_file).nth(1).cloned()
        });
        assert_ne!(second.id(), self.first.id(), "{what}: an arrival of its own");
        assert_eq!(second.data("generation"), 2, "{what}");
        assert_eq!(second.data("previous_id"), self.first.id(), "{what}");
        assert_eq!(self.first.data("generation"), 1);
        assert!(self.first.data("previous_id").is_null());
        self.watchd.stop();
        let count = self.receiver.ids_of(&self.file).len();
        assert_eq!(count, 2, "{what}: one more arrival, not several");
    }

    fn assert_no_arrival(self, what: &str) {
        quiet_periods_pass(&self.site, &self.receiver, 3);
        self.watchd.stop();
        assert_eq!(self.receiver.ids_of(&self.file).len(), 1, "{what}");
        self.receiver.read(|record| assert_eq!(record.delivered.len(), 4, "{what}"));
    }
}

#[test]
fn a_file_that_is_appended_to_after_delivery_arrives_again() {
    let case = Case::delivered();
    OpenOptions::new().append(true).open(&case.file).unwrap().write_all(b"more").unwrap();
    case.assert_second_generation("appended");
}

#[test]
fn a_file_that_is_replaced_by_rename_arrives_again() {
    let case = Case::delivered();
    let other = disk::create(&case.site.outside(), "a.dat");
    fs::rename(other, &case.file).unwrap();
    case.assert_second_generation("renamed over");
}

#[test]
fn a_file_that_is_replaced_by_one_of_the_same_size_and_time_arrives_again() {
    let case = Case::delivered();
    let before = fs::metadata(&case.file).unwrap();
    let other = disk::create(&case.site.outside(), "a.dat");
    fs::write(&other, fs::read(&case.file).unwrap()).unwrap();
    set_mtime(&other, before.modified().unwrap());
    fs::rename(other, &case.file).unwrap();
    case.assert_second_generation("another inode of the same size and time");
}

#[test]
fn a_file_that_is_deleted_and_dropped_again_arrives_again() {
    let case = Case::delivered();
    fs::remove_file(&case.file).unwrap();
    quiet_periods_pass(&case.site, &case.receiver, 1);
    disk::create(&case.site.root(), "a.dat");
    case.assert_second_generation("dropped again");
}

#[test]
fn a_file_that_is_touched_arrives_again() {
    let case = Case::delivered();
    set_mtime(&case.file, SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000));
    case.assert_second_generation("touched");
}

#[test]
fn a_file_that_is_renamed_after_delivery_arrives_under_its_new_name() {
    let case = Case::delivered();
    fs::rename(&case.file, case.site.root().join("b.dat")).unwrap();
    let renamed = case.receiver.wait_for_file("b.dat");
    assert_ne!(renamed.id(), case.first.id());
    case.watchd.stop();
}

#[test]
fn a_hard_link_that_appears_arrives_and_the_other_name_does_not_again() {
    let case = Case::delivered();
    fs::hard_link(&case.file, case.site.root().join("link.dat")).unwrap();
    case.receiver.wait_for_file("link.dat");
    quiet_periods_pass(&case.site, &case.receiver, 2);
    case.watchd.stop();
    assert_eq!(case.receiver.ids_of(&case.file).len(), 1, "nlink and ctime are no version");
}

/// The kernel tells of the name that the writer used, and that one does not count.
#[test]
fn a_file_that_is_written_by_another_of_its_names_arrives_again() {
    let case = Case::delivered();
    let ignored = case.site.root().join(".hidden");
    fs::hard_link(&case.file, &ignored).unwrap();
    OpenOptions::new().append(true).open(&ignored).unwrap().write_all(b"more").unwrap();
    case.assert_second_generation("written by another name");
}

#[test]
fn a_chmod_is_no_arrival() {
    let case = Case::delivered();
    fs::set_permissions(&case.file, Permissions::from_mode(0o600)).unwrap();
    case.assert_no_arrival("chmod");
}

#[test]
fn opening_for_write_without_writing_is_no_arrival() {
    let case = Case::delivered();
    drop(OpenOptions::new().append(true).open(&case.file).unwrap());
    case.assert_no_arrival("opened and closed");
}

#[test]
fn directories_fifos_and_symbolic_links_are_no_arrivals() {
    let case = Case::delivered();
    let root = case.site.root();
    fs::create_dir(root.join("directory.dat")).unwrap();
    symlink("a.dat", root.join("link.dat")).unwrap();
    symlink("/", root.join("everything")).unwrap();
    let fifo = std::process::Command::new("mkfifo").arg(root.join("fifo.dat")).status().unwrap();
    assert!(fifo.success(), "mkfifo");
    case.assert_no_arrival("no regular file");
}

#[test]
fn names_that_are_never_whole_files_are_no_arrivals() {
    let case = Case::delivered();
    for name in [".hidden", "x.part", "x.tmp", "x~", ".x.swp", "x.crdownload", "x.filepart"] {
        disk::create(&case.site.root(), name);
    }
    case.assert_no_arrival("excluded by default");
}

#[test]
fn include_and_exclude_select_by_the_final_name() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let config = site.config(&receiver.url()).watch("include", vec!["*.pdf", "/drop/*.csv"]);
    let watchd = config.watch("exclude", vec!["draft-*", "old/"]).ready();
    for dir in ["drop", "old", "deep"] {
        fs::create_dir(site.root().join(dir)).unwrap();
    }
    for name in ["draft-1.pdf", "x.csv", "old/a.pdf", "deep/x.csv", "a.txt"] {
        disk::create(&site.root(), name);
    }
    let taken = ["a.pdf", "drop/x.csv", "deep/b.pdf"].map(|name| disk::create(&site.root(), name));
    receiver.wait_for_paths(&taken);
    let last = disk::create(&site.root(), "last.pdf");
    receiver.wait_for_paths(&[last]);
    watchd.stop();
    receiver.read(|record| assert_eq!(record.delivered.len(), 4, "{:?}", record.delivered.keys()));
}

fn set_mtime(path: &std::path::Path, time: SystemTime) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.set_times(FileTimes::new().set_modified(time)).unwrap();
}
