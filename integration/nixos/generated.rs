//! The units and files in `expected/`, judged without Nix: by systemd, and by the program that they start.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{CONFIGURATIONS, expected, systemd_analyze};
use crate::harness::skipped;

/// What `systemd-analyze security` of systemd 262 may say at most, in tenths.
const EXPOSURE_MAX: [(&str, u32); 3] =
    [("minimal", 14), ("everything", 14), ("sandbox-off-default", 12)];

/// Keys that are younger than Debian 12's systemd 252, and what it says of them.
const UNKNOWN_TO_252: [&str; 4] =
    ["WantsMountsFor", "RestartSteps", "RestartMaxDelaySec", "notify-reload"];

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
    for configuration in CONFIGURATIONS {
        let dir = tempfile::tempdir().unwrap();
        let units = units_that_start_something(configuration, dir.path());
        let mut verify = systemd_analyze();
        let verify = verify.args(["verify", "--man=no"]).args(&units).output().unwrap();
        let said = String::from_utf8_lossy(&verify.stderr).into_owned();
        let known = |line: &&str| version > 252 || !UNKNOWN_TO_252.iter().any(|k| line.contains(k));
        let surprising: Vec<_> =
            said.lines().filter(|line| line.contains("watchd.")).filter(known).collect();
        assert!(surprising.is_empty(), "{configuration}: {surprising:#?}");
        assert!(verify.status.success(), "{configuration}: {}\n{said}", verify.status);
    }
    if version <= 252 {
        skipped(
            "systemd 252 does not know every key of the generated units; the others are checked",
        );
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
    for (configuration, most) in EXPOSURE_MAX {
        // 252 counts otherwise: a directive that it does not know yet has no weight in its mean.
        let most = if version < 257 { most + 2 } else { most };
        let security = systemd_analyze()
            .args(["security", "--offline=yes", "--no-pager", &format!("--threshold={most}")])
            .arg(expected(configuration, "watchd.service"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&security.stdout);
        let overall = said.lines().last().unwrap_or_default();
        assert!(security.status.success(), "{configuration}, at most {most} tenths: {overall}");
    }
}
