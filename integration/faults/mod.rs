//! Faults, made for real: what is broken on purpose, and what the daemon makes of it. The table in
//! README.md lists every one.

mod crash_points;
mod descriptors;
mod drops;
mod file_systems;
mod kills;
mod limits;
mod load;
mod mounts;
mod roots;
mod seen_copy;
mod shares;
mod state;

use std::process::Command;

use crate::harness::{
    Config, Site, Watchd, disk,
    watchd::{command_of, program},
};

/// How often something is done: a few times in continuous integration, more when `WATCHD_FAULTS=all`.
fn times(few: usize, all: usize) -> usize {
    let is_all = std::env::var_os("WATCHD_FAULTS").is_some_and(|value| value == "all");
    if is_all { all } else { few }
}

/// A daemon for whom permissions count: root reads everything, so root hands over to nobody.
fn start_as_nobody(site: &Site, config: &Config) -> Watchd {
    if !disk::is_root() {
        return config.start();
    }
    site.open_to_all();
    let copy = site.path("watchd");
    std::fs::copy(program(), &copy).unwrap();
    let mut command = command_of("setpriv", site.home());
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(copy);
    Watchd::spawn(config.run_by(command))
}

/// Runs a line of shell in the place: `in` is watched, `outside` is a directory beside it.
fn shell(site: &Site, script: &str) {
    let mut command = Command::new("sh");
    let output = command.args(["-euc", script]).current_dir(site.home()).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
}
