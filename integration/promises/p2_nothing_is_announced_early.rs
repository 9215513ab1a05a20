//! P2: nothing is announced while somebody writes it, nor before its quiet period has passed.
//!
//! "Not announced" is proven by control files: three of them land and are delivered one after the other,
//! which takes three quiet periods at least, and the file under test is still not among the deliveries.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

use super::quiet_periods_pass;
use crate::harness::{
    Receiver, Site, Watchd,
    clock::{now, pace_until},
    disk,
    helpers::{Steps, have},
    log::said,
    skipped,
};

const QUIET: Duration = Duration::from_millis(300);

struct Case {
    site: Site,
    receiver: Receiver,
    watchd: Watchd,
}

impl Case {
    fn ready() -> Self {
        Self::with(|config| config)
    }

    fn with(change: impl FnOnce(crate::harness::Config) -> crate::harness::Config) -> Self {
        let (receiver, site) = (Receiver::up(), Site::new());
        let watchd = change(site.config(&receiver.url())).ready();
        Self { site, receiver, watchd }
    }

    fn file(&self) -> PathBuf {
        self.site.root().join("a.dat")
    }

    fn assert_not_announced(&self, what: &str) {
        quiet_periods_pass(&self.site, &self.receiver, 3);
        let requests = self
            .receiver
            .read(|record| record.requests.iter().filter(|request| request.is_of("a.dat")).count());
        assert_eq!(requests, 0, "announced early: {what}");
    }

    fn assert_announced_once_with(self, size: usize) {
        let request = self.receiver.wait_for_file("a.dat");
        assert_eq!(request.data("size"), size, "announced whole");
        let file = self.file();
        self.watchd.stop();
        assert_eq!(self.receiver.ids_of(&file).len(), 1);
    }
}

#[test]
fn a_half_written_file_that_is_held_open_waits_for_its_writer() {
    let case = Case::ready();
    if !disk::tells_writers(&case.site.root()) {
        return skipped("the file system of the temporary directory knows no leases");
    }
    let mut writer = File::create(case.file()).unwrap();
    writer.write_all(b"first half,").unwrap();
    case.assert_not_announced("held open for writing");
    case.watchd.wait_for_file(said::WAITING_FOR_WRITER, "a.dat", 1);
    writer.write_all(b" second half").unwrap();
    drop(writer);
    case.assert_announced_once_with(23);
}

#[test]
fn a_file_that_is_held_open_since_before_the_start_waits_for_its_writer() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let mut writer = File::create(site.root().join("a.dat")).unwrap();
    writer.write_all(b"first half,").unwrap();
    let watchd = site.config(&receiver.url()).ready();
    let case = Case { site, receiver, watchd };
    if !disk::tells_writers(&case.site.root()) {
        return skipped("the file system of the temporary directory knows no leases");
    }
    case.assert_not_announced("held open since before the start");
    drop(writer);
    case.assert_announced_once_with(11);
}

#[test]
fn a_shared_mapping_whose_file_is_closed_is_still_a_writer() {
    const PROGRAM: &str = "
import ctypes, os, mmap
def steps(path):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + 3 * [ctypes.c_int] + [ctypes.c_long]
    libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    os.ftruncate(fd, 8192)
    address = libc.mmap(None, 8192, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED, fd, 0)
    os.close(fd)
    yield
    ctypes.memset(address, 65, 8192)
    libc.munmap(address, 8192)
";
    let case = Case::ready();
    if !have("python3") || !disk::tells_writers(&case.site.root()) {
        return skipped("needs python3, and a file system with leases");
    }
    let writer = Steps::python(PROGRAM, &case.file());
    case.assert_not_announced("mapped for writing");
    writer.end();
    case.assert_announced_once_with(8192);
}

#[test]
fn a_writer_through_a_hard_link_outside_is_still_a_writer() {
    let case = Case::ready();
    if !disk::tells_writers(&case.site.root()) {
        return skipped("the file system of the temporary directory knows no leases");
    }
    let outside = disk::create(&case.site.outside(), "elsewhere");
    let mut writer = OpenOptions::new().write(true).truncate(true).open(&outside).unwrap();
    fs::hard_link(&outside, case.file()).unwrap();
    writer.write_all(b"first half,").unwrap();
    case.assert_not_announced("written through another name");
    drop(writer);
    case.assert_announced_once_with(11);
}

#[test]
fn a_slow_writer_that_closes_after_each_line_is_waited_for_while_it_goes_on() {
    let case = Case::with(|config| config.watch("writer_detection", "off"));
    append_slowly(&case.file(), 30);
    case.assert_announced_once_with(30);
}

#[test]
fn the_quiet_period_passes_between_the_last_write_and_the_request() {
    let case = Case::ready();
    let begin = now();
    disk::create(&case.site.root(), "a.dat");
    case.receiver.wait_for("a request", |record| record.requests.first().cloned());
    assert!(begin.elapsed() >= QUIET, "announced after {:?}", begin.elapsed());
    case.watchd.stop();
}

#[test]
fn an_old_modification_time_does_not_shorten_the_quiet_period() {
    let case = Case::ready();
    let old = disk::create(&case.site.outside(), "a.dat");
    let times = fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH);
    File::options().write(true).open(&old).unwrap().set_times(times).unwrap();
    let begin = now();
    disk::move_into(&old, &case.site.root());
    case.receiver.wait_for("a request", |record| record.requests.first().cloned());
    assert!(begin.elapsed() >= QUIET, "announced after {:?}", begin.elapsed());
    case.watchd.stop();
}

#[test]
fn a_part_file_is_announced_under_its_final_name_only() {
    let case = Case::ready();
    let part = disk::create(&case.site.root(), "a.dat.part");
    case.assert_not_announced("a.dat.part is not a.dat");
    let file = case.file();
    fs::rename(&part, &file).unwrap();
    case.receiver.wait_for_file("a.dat");
    case.watchd.stop();
    assert_eq!(case.receiver.ids_of(&part).len(), 0, "the partial name is never announced");
    assert_eq!(case.receiver.ids_of(&file).len(), 1);
}

#[test]
fn a_file_waits_for_its_done_marker_and_the_marker_is_not_announced() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let control = site.path("control");
    fs::create_dir(&control).unwrap();
    let config = site.config(&receiver.url()).watch("done_marker", "{name}.done");
    let watchd = config.add_watch("control", &control, &["crm"]).ready();
    let file = disk::create(&site.root(), "a.pdf");
    for n in 0..3 {
        let path = disk::create(&control, format!("c{n}"));
        receiver.wait_for_paths(&[path]);
    }
    assert_eq!(receiver.ids_of(&file).len(), 0, "announced without its marker");
    let marker = disk::create(&site.root(), "a.pdf.done");
    receiver.wait_for_paths(std::slice::from_ref(&file));
    let last = disk::create(&control, "last");
    receiver.wait_for_paths(&[last]);
    watchd.stop();
    assert_eq!(receiver.ids_of(&marker).len(), 0, "markers are never announced");
    assert_eq!(receiver.ids_of(&file).len(), 1);
}

#[test]
fn a_marker_that_comes_first_releases_the_file_that_comes_later() {
    let case = Case::with(|config| config.watch("done_marker", "{name}.done"));
    disk::create(&case.site.root(), "a.dat.done");
    fs::write(case.file(), "content").unwrap();
    case.assert_announced_once_with(7);
}

/// Appends one byte every 60 ms, opening and closing the file each time.
fn append_slowly(path: &Path, times: u32) {
    let begin = now();
    for n in 0..times {
        pace_until(begin + Duration::from_millis(60) * n);
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(b"x").unwrap();
    }
}
