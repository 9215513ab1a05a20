//! P9, the other half: it ends by itself where a fresh start is better, cleanly and with a code that says so.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::harness::{
    Config, Gate, PATIENCE, Receiver, Reply, Site, Systemd, Watchd, clock, disk, log::said, watchd,
};

const RESTART_ME: i32 = 75;

/// A copy of the daemon's program, for it to be replaced.
fn program(site: &Site) -> PathBuf {
    let path = site.path("watchd");
    replace(&path, &fs::read(env!("CARGO_BIN_EXE_watchd")).unwrap());
    path
}

/// As an upgrade does it: a whole new file is moved to the path.
fn replace(path: &Path, content: &[u8]) {
    let new = path.with_extension("new");
    fs::write(&new, content).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(&new, path).unwrap();
}

fn start(config: &Config, site: &Site, systemd: &Systemd, program: &Path) -> Watchd {
    let command = config.run_by(watchd::command_of(program, site.home()));
    let watchd = Watchd::spawn(systemd.service(command));
    watchd.wait_ready(config.watches());
    watchd
}

#[test]
fn a_new_program_at_its_path_is_restarted_into_after_what_is_in_flight() {
    let (gate, site) = (Gate::default(), Site::new());
    let held = gate.clone();
    let receiver = Receiver::scripted(move |_| Reply::Held(held.clone(), 200));
    let config = site
        .config(&receiver.url())
        .set("restart", "on_binary_change", true)
        .set("shutdown", "drain", "1m");
    let (systemd, program) = (Systemd::new(&site), program(&site));
    let mut watchd = start(&config, &site, &systemd, &program);
    let landed = disk::create(&site.root(), "flight.dat");
    receiver.wait_for_requests(1);
    replace(&program, &fs::read(env!("CARGO_BIN_EXE_watchd")).unwrap());
    systemd.wait_for("STOPPING=1");
    gate.open();
    assert_eq!(watchd.wait_exit(PATIENCE).code(), Some(RESTART_ME));
    let watchd = start(&config, &site, &systemd, &program);
    receiver.wait_for_paths(&[landed]);
    super::quiet_periods_pass(&site, &receiver, 1);
    watchd.stop();
    receiver.assert_no_duplicates();
}

#[test]
fn what_is_no_working_program_is_not_restarted_into_and_the_next_one_is() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let config = site.config(&receiver.url()).set("restart", "on_binary_change", true);
    let (systemd, program) = (Systemd::new(&site), program(&site));
    let mut watchd = start(&config, &site, &systemd, &program);
    replace(&program, b"\x7fELF, half of it");
    watchd.wait_for_count(said::NOT_RESTARTED_INTO, 1);
    replace(&program, b"#!/bin/sh\necho watchd 9.9.9\nexit 1\n");
    watchd.wait_for_count(said::NOT_RESTARTED_INTO, 2);
    fs::remove_file(&program).unwrap();
    super::quiet_periods_pass(&site, &receiver, 3);
    assert_eq!(watchd.count(said::STOPPING), 0, "it goes on as what it is");
    replace(&program, &fs::read(env!("CARGO_BIN_EXE_watchd")).unwrap());
    assert_eq!(watchd.wait_exit(PATIENCE).code(), Some(RESTART_ME));
    assert_eq!(watchd.count(said::NOT_RESTARTED_INTO), 2, "each was asked once");
}

#[test]
fn a_planned_restart_comes_before_the_greatest_age_and_not_much_before() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let config = site.config(&receiver.url()).set("restart", "max_age", "12s");
    let systemd = Systemd::new(&site);
    let began = clock::now();
    let mut watchd = Watchd::spawn(systemd.service(config.run()));
    watchd.wait_ready(1);
    let landed = disk::create(&site.root(), "a.dat");
    receiver.wait_for_paths(&[landed]);
    let stopping = systemd.wait_for("STOPPING=1");
    let age = stopping.at.duration_since(began);
    assert!(age >= Duration::from_secs(9), "the last quarter is where it may fall: {age:?}");
    assert!(stopping.value("STATUS").unwrap().contains("planned restart"), "{stopping:?}");
    assert_eq!(watchd.wait_exit(PATIENCE).code(), Some(RESTART_ME));
    watchd.wait_for(said::STOPPED);
}
