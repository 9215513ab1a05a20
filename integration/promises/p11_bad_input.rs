//! P11: no file name, and no second daemon, crashes the daemon or costs an event.

use std::{
    ffi::{OsStr, OsString},
    fs,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::PathBuf,
};

use crate::harness::{
    Front, PATIENCE, Receiver, Request, Site, Watchd, disk,
    helpers::{Steps, have},
    log::said,
    skipped,
    watchd::finish,
};

const NAMES: &[&[u8]] = &[
    b"not utf-8 \xff\xfe.dat",
    b"cut in the middle \xe2\x82.dat",
    b"line\nbreak.dat",
    b"carriage\rreturn\r\n\r\nX-Evil: 1.dat",
    b"quote\"and'quote.dat",
    b"back\\slash\\u0041.dat",
    b"<script>alert(1)<",
    b"-rf",
    b"--config",
    b"%s%n%d%00.dat",
    b"\x1b[31mred\x1b[0m.dat",
    b"tab\tand bell\x07.dat",
    b"del\x7f and c1 \xc2\x9b.dat",
    b" leading and trailing ",
    b"{name}",
    b"$(reboot) `reboot` ;reboot",
    b"*?[a-z]{x,y}!",
    "emoji \u{1f600}\u{200d}\u{1f525}.dat".as_bytes(),
    "right to left \u{202e}tad.fdp".as_bytes(),
    "zero\u{200b}width \u{feff}.dat".as_bytes(),
    "e\u{301} is not \u{e9}".as_bytes(),
    b"..dat.",
    b"...",
];

#[test]
fn every_name_that_linux_allows_is_delivered_and_decodable() {
    let (receiver, site) = (Receiver::up(), Site::new());
    // Hidden names (`...`) are excluded by default; here every name counts.
    let watchd = site.config(&receiver.url()).watch("default_excludes", false).ready();
    let paths = create_every_kind_of_name(&site);
    receiver.wait_for_paths(&paths);
    assert_every_line_is_one_json_object(&watchd);
    watchd.stop();
    receiver.assert_no_duplicates();
    receiver.read(|record| record.requests.iter().for_each(|r| assert_names_agree(r, &site)));
}

pub(super) fn create_every_kind_of_name(site: &Site) -> Vec<PathBuf> {
    let mut names: Vec<Vec<u8>> = NAMES.iter().map(|name| name.to_vec()).collect();
    names.push(vec![b'x'; 255]);
    names.push(vec![0xff; 255]);
    names.push("\u{1f600}".repeat(63).into_bytes());
    names.iter().map(|name| disk::create(&site.root(), OsStr::from_bytes(name))).collect()
}

fn assert_names_agree(request: &Request, site: &Site) {
    assert!(request.json.is_object(), "the body is JSON: {:?}", request.body);
    let path = PathBuf::from(OsString::from_vec(request.path.clone()));
    let lossy = |text: &OsStr| text.to_string_lossy().into_owned();
    assert_eq!(request.data("path"), &lossy(path.as_os_str()));
    assert_eq!(request.data("name"), &lossy(path.file_name().unwrap()));
    assert_eq!(
        request.data("rel_path"),
        &lossy(path.strip_prefix(site.root()).unwrap().as_os_str())
    );
    let is_text = path.to_str().is_some();
    assert_eq!(request.data("path_b64").is_null(), is_text, "raw bytes where text cannot say it");
    assert!(request.header("x-evil").is_none(), "a name made a header");
}

#[test]
fn a_path_as_long_as_the_kernel_allows_is_delivered() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let watchd = site.config(&receiver.url()).ready();
    let mut dir = site.root();
    while dir.as_os_str().len() < 3800 {
        dir.push("d".repeat(200));
    }
    fs::create_dir_all(&dir).unwrap();
    let name = "f".repeat(4095 - dir.as_os_str().len() - 1);
    let path = disk::create(&dir, &name[..name.len().min(255)]);
    receiver.wait_for_paths(&[path]);
    assert_every_line_is_one_json_object(&watchd);
    watchd.stop();
}

#[test]
fn a_path_longer_than_the_kernel_takes_at_once_costs_no_other_file() {
    paths_that_are_too_long(false);
}

#[test]
fn a_path_that_is_too_long_is_named_although_only_the_kernel_tells_of_it() {
    paths_that_are_too_long(true);
}

/// `is_known`: their directory is watched before they come.
fn paths_that_are_too_long(is_known: bool) {
    // The directory can still be named, and the short file in it; the thousands beside that one cannot.
    const PROGRAM: &str = "
import os
def steps(path):
    os.chdir(path)
    length = len(path)
    while length < 3800:
        os.mkdir('d' * 200)
        os.chdir('d' * 200)
        length += 201
    yield
    for n in range(5000):
        open(f'{n:05}' + 'f' * 250, 'w').close()
    open('short.dat', 'w').close()
    for _ in range(10):
        os.mkdir('d' * 200)
        os.chdir('d' * 200)
    open('too-deep.dat', 'w').close()
    yield
";
    if !have("python3") {
        return skipped("python3 is not installed");
    }
    let (receiver, site) = (Receiver::up(), Site::new());
    let mut watchd = site.config(&receiver.url()).set("http", "listen", "127.0.0.1:0").ready();
    let mut program = Steps::python(PROGRAM, &site.root());
    if is_known {
        Front::of(&watchd).status_when("every directory is watched", |status| {
            let depth = (3800 - site.root().as_os_str().len()).div_ceil(201);
            status["watches"][0]["directories"] == depth + 1
        });
    }
    program.next();
    program.end();
    let paths = disk::create_many(&site.root(), "beside", 20);
    receiver.wait_for_paths(&paths);
    receiver.wait_for_file("short.dat");
    watchd.wait_for(said::CANNOT_LOOK);
    assert!(watchd.is_running());
    assert!(watchd.count(said::CANNOT_LOOK) <= 2, "one line a minute, however many files");
    // Again, and again the room for candidates is not theirs.
    watchd.signal("HUP");
    let later = disk::create(&site.root(), "later.dat");
    receiver.wait_for_paths(&[later]);
    assert_every_line_is_one_json_object(&watchd);
    watchd.stop();
    // Deeper than std::fs can remove by path.
    std::process::Command::new("rm").arg("-rf").arg(site.root()).status().unwrap();
}

#[test]
fn directories_with_hostile_names_are_entered() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let watchd = site.config(&receiver.url()).watch("default_excludes", false).ready();
    let in_dir = |name: &&[u8]| {
        let dir = site.root().join(OsStr::from_bytes(name));
        fs::create_dir(&dir).unwrap();
        disk::create(&dir, "inside.dat")
    };
    let paths: Vec<_> = NAMES.iter().map(in_dir).collect();
    receiver.wait_for_paths(&paths);
    watchd.stop();
}

#[test]
fn a_second_daemon_on_the_same_state_directory_says_who_holds_it() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let config = site.config(&receiver.url());
    let first = config.ready();
    let mut second = config.start();
    assert_eq!(second.wait_exit(PATIENCE).code(), Some(1));
    let said: Vec<_> = second.lines().into_iter().map(|line| line.raw).collect();
    let pid = first.pid().to_string();
    assert!(said.iter().any(|line| line.contains(&pid)), "names pid {pid}: {said:?}");
    let path = disk::create(&site.root(), "a.dat");
    receiver.wait_for_paths(&[path]);
    first.stop();
}

#[test]
fn the_state_directory_of_a_killed_daemon_is_free() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let config = site.config(&receiver.url());
    config.ready().kill9();
    config.ready().stop();
}

#[test]
fn a_bad_command_line_exits_with_2_and_points_to_the_usage() {
    let site = Site::new();
    for args in [["--no-such-flag"].as_slice(), &["no-such-command"], &["--dir"], &["run", "x"]] {
        let output = finish(site.watchd(args));
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", output.stderr);
        let tells = |word| output.stderr.contains(word);
        assert!(tells("Usage:") || tells("--help"), "{args:?}: {}", output.stderr);
    }
}

#[test]
fn check_names_a_root_that_cannot_be_watched() {
    let site = Site::new();
    fs::remove_dir(site.root()).unwrap();
    let config = site.config("http://127.0.0.1:9/hook");
    let missing = finish(config.command(&["check"]));
    fs::write(site.root(), "a file").unwrap();
    let not_a_directory = finish(config.command(&["check"]));
    let root = site.root().to_string_lossy().into_owned();
    for output in [missing, not_a_directory] {
        let said = output.stdout + &output.stderr;
        assert!(said.contains(&root), "names the root: {said}");
    }
}

fn assert_every_line_is_one_json_object(watchd: &Watchd) {
    for line in watchd.lines() {
        assert!(line.is_json(), "not one JSON object: {:?}", line.raw);
        let hostile = |c: char| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c);
        assert!(!line.raw.contains(hostile), "a raw control character: {:?}", line.raw);
    }
}
