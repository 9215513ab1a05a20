//! The units and files in `expected/`, judged without Nix: by systemd, and by the program that they start.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{configurations, expected, here, packaged, read, systemd_analyze};
use crate::harness::{
    Site,
    hostile::Authority,
    site::SECRET,
    skipped,
    watchd::{Finished, command, finish},
};

/// What `systemd-analyze security` of systemd 262 may say at most, in tenths: with a user namespace, and
/// with the right to ask for writers, which excludes one.
const EXPOSURE_MAX: u32 = 12;
const EXPOSURE_WITH_LEASES_MAX: u32 = 14;

/// What the kept units say, and the first systemd that knows it. Debian 12 has 252. (The units are generated for
/// 257; for 255 and older the module says `WantsMountsFor=` in another way.)
const YOUNG: [(&str, u32); 4] = [
    ("notify-reload", 253),
    ("RestartSteps", 254),
    ("RestartMaxDelaySec", 254),
    ("WantsMountsFor", 256),
];

/// The number in `systemd 262 (262.1-1)`.
fn systemd_version() -> Option<u32> {
    let output = systemd_analyze().arg("--version").output().ok()?;
    String::from_utf8_lossy(&output.stdout).split_whitespace().nth(1)?.parse().ok()
}

#[test]
fn the_generated_units_are_understood_by_this_machines_systemd() {
    let Some(version) = systemd_version() else {
        return skipped("there is no systemd-analyze here");
    };
    for configuration in configurations() {
        let dir = tempfile::tempdir().unwrap();
        let units = units_that_start_something(&configuration, dir.path());
        let mut verify = systemd_analyze();
        let verify = verify.args(["verify", "--man=no"]).args(&units).output().unwrap();
        let said = String::from_utf8_lossy(&verify.stderr).into_owned();
        let known = |line: &&str| {
            !YOUNG.iter().any(|(word, since)| version < *since && line.contains(word))
        };
        let surprising: Vec<_> =
            said.lines().filter(|line| line.contains("watchd.")).filter(known).collect();
        assert!(surprising.is_empty(), "{configuration}: {surprising:#?}");
        assert!(verify.status.success(), "{configuration}: {}\n{said}", verify.status);
    }
    if YOUNG.iter().any(|(_, since)| version < *since) {
        skipped(&format!(
            "systemd {version} does not know every key of the generated units; the others are checked"
        ));
    }
}

/// Copies the units with a program that is on this machine.
fn units_that_start_something(configuration: &str, dir: &Path) -> Vec<PathBuf> {
    let mut units = Vec::new();
    for file in ["watchd.service", "watchd.socket"] {
        let Ok(text) = fs::read_to_string(expected(configuration, file)) else { continue };
        let is_start = |line: &&str| line.starts_with("ExecStart=");
        let start = text.lines().find(is_start).unwrap_or("ExecStart=");
        fs::write(dir.join(file), text.replace(start, "ExecStart=/bin/true")).unwrap();
        units.push(dir.join(file));
    }
    units
}

#[test]
fn the_sandbox_is_as_tight_as_it_can_be() {
    let Some(version) = systemd_version() else {
        return skipped("there is no systemd-analyze here");
    };
    for configuration in configurations() {
        let leases = read(&expected(&configuration, "watchd.service")).contains("CAP_LEASE");
        let most = if leases { EXPOSURE_WITH_LEASES_MAX } else { EXPOSURE_MAX };
        // 252 counts otherwise: a directive that it does not know yet has no weight in its mean.
        let most = if version < 257 { most + 2 } else { most };
        let security = systemd_analyze()
            .args(["security", "--offline=yes", "--no-pager", &format!("--threshold={most}")])
            .arg(expected(&configuration, "watchd.service"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&security.stdout);
        let overall = said.lines().last().unwrap_or_default();
        assert!(security.status.success(), "{configuration}, at most {most} tenths: {overall}");
    }
}

#[test]
fn the_program_accepts_what_is_generated() {
    for configuration in configurations() {
        let site = Site::new();
        let file = expected(&configuration, "watchd.toml");
        accepted(&configuration, &as_the_service(&site, &["run", "--print-config"], &file));
    }
}

#[test]
fn check_accepts_what_is_generated_where_the_files_that_it_names_are() {
    for configuration in configurations() {
        let site = Site::new();
        let file = site.path("watchd.toml");
        fs::write(&file, brought_here(&read(&expected(&configuration, "watchd.toml")), &site))
            .unwrap();
        accepted(&configuration, &as_the_service(&site, &["check"], &file));
    }
}

#[test]
fn the_program_accepts_the_packaged_example() {
    let site = Site::new();
    let file = packaged("watchd.toml");
    accepted("packaging", &as_the_service(&site, &["run", "--print-config"], &file));
}

/// Without an error and without a warning.
fn accepted(configuration: &str, done: &Finished) {
    assert_eq!(done.stderr, "", "{configuration}");
    assert_eq!(done.status.code(), Some(0), "{configuration}");
}

/// With the directories that the unit gives it.
fn as_the_service(site: &Site, words: &[&str], file: &Path) -> Finished {
    let mut command = command(&site.path(""));
    command.args(words).arg("--config").arg(file);
    command.env("STATE_DIRECTORY", site.path("state")).env("CREDENTIALS_DIRECTORY", site.path(""));
    finish(command)
}

/// The configuration with roots, credentials and certificates that were made in a temporary place.
fn brought_here(toml: &str, site: &Site) -> String {
    let place = site.root().display().to_string();
    let mut text = toml.replace("path = \"", &format!("path = \"{place}"));
    let mut section = "";
    for line in toml.lines() {
        let Some((key, value)) = line.split_once(" = ") else {
            section = line;
            continue;
        };
        for name in value.split('"').skip(1).step_by(2) {
            match key {
                "path" => fs::create_dir_all(format!("{place}{name}")).unwrap(),
                "secret_files" => fs::write(site.path(name), SECRET).unwrap(),
                "url_file" => fs::write(site.path(name), "https://example.net/secret").unwrap(),
                "ca_file" => {
                    fs::write(site.path("ca.pem"), Authority::new("test").pem).unwrap();
                    text = text.replace(name, "ca.pem");
                }
                _ if section.ends_with(".header_files]") => {
                    fs::write(site.path(name), "Bearer of a value").unwrap();
                }
                _ => {}
            }
        }
    }
    text
}

#[test]
fn every_key_that_the_module_types_is_a_key_of_the_configuration() {
    let typed: Vec<String> =
        serde_json::from_str(&read(&here().join("expected/typed.json"))).unwrap();
    assert!(typed.len() > 20, "{typed:?}");
    for key in &typed {
        let said = said_of(key);
        assert!(!said.contains("unknown key"), "{key}: {said}");
    }
    assert!(said_of("watch.*.no_such_key").contains("unknown key"), "the question means something");
}

/// What is said of a file that sets this key to something that no key takes.
fn said_of(key: &str) -> String {
    let site = Site::new();
    let key = key.replace('*', "name");
    let file = site.path("watchd.toml");
    fs::write(&file, format!("{key} = 1979-05-27\n")).unwrap();
    let done = as_the_service(&site, &["run", "--print-config"], &file);
    assert_eq!(done.status.code(), Some(78), "{key} takes a date: {}", done.stderr);
    done.stderr
}
