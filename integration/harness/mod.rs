//! What the proofs stand on: the daemon as a child process, a receiver that can misbehave, a disk to drop
//! files on.

pub(crate) mod clock;
pub(crate) mod config;
pub(crate) mod disk;
pub(crate) mod helpers;
pub(crate) mod http;
pub(crate) mod log;
pub(crate) mod receiver;
pub(crate) mod signature;
pub(crate) mod site;
pub(crate) mod watchd;
pub(crate) mod watched;

pub(crate) use self::{
    clock::{PATIENCE, wait_until},
    config::Config,
    http::{Gate, Reply, Request},
    receiver::Receiver,
    site::Site,
    watchd::Watchd,
};

/// Says on the test's output that a proof was not made here, and why; use with `return`.
pub(crate) fn skipped(why: &str) {
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    eprintln!("\n==== SKIPPED, NOT PROVEN: {name}: {why} ====\n");
}
