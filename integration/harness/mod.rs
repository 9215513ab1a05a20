//! What the proofs stand on: the daemon as a child process, a receiver that can misbehave, a disk to drop
//! files on.

use std::io::Write;

pub(crate) mod clock;
pub(crate) mod cloud_event;
pub(crate) mod config;
pub(crate) mod disk;
pub(crate) mod front;
pub(crate) mod helpers;
pub(crate) mod hostile;
pub(crate) mod http;
pub(crate) mod log;
pub(crate) mod mount;
pub(crate) mod receiver;
pub(crate) mod signature;
pub(crate) mod site;
pub(crate) mod systemd;
pub(crate) mod watchd;
pub(crate) mod watched;

pub(crate) use self::{
    clock::{PATIENCE, wait_until},
    config::Config,
    front::Front,
    http::{Gate, Reply, Request},
    log::said,
    mount::Mount,
    receiver::Receiver,
    site::Site,
    systemd::Systemd,
    watchd::Watchd,
};

/// Says loudly that a proof was not made here, and why; use with `return`.
///
/// Test runners swallow what a passing test prints, so `integration/test` also names a file to append to.
pub(crate) fn skipped(why: &str) {
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    let line = format!("SKIPPED, NOT PROVEN: {name}: {why}\n");
    eprint!("\n{line}\n");
    if let Some(path) = std::env::var_os("WATCHD_PROOF_SKIPS") {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        file.and_then(|mut file| file.write_all(line.as_bytes())).expect("the skip is noted");
    }
}
