//! One promise after the other (P1 to P11, in README.md); the file names carry the number.

mod cloud_events;
mod demo;
mod endpoint_keys;
mod endpoint_test;
mod heartbeat;
mod http_rules;
mod metrics;
mod notices;
mod operator;
mod p10_no_secret_leaks;
mod p11_bad_configuration;
mod p11_bad_input;
mod p11_every_hostile_receiver;
mod p11_hostile_receivers;
mod p1_a_full_disk;
mod p1_dead_and_parked_are_visible;
mod p1_directories_come_and_go;
mod p1_mounts;
mod p1_nothing_is_lost_after_a_stop;
mod p1_nothing_is_lost_in_a_burst;
mod p1_nothing_is_lost_with_the_database;
mod p1_nothing_is_lost_with_the_root;
mod p1_what_counts_as_an_arrival;
mod p2_nothing_is_announced_early;
mod p2_writers_are_left_alone;
mod p3_one_arrival_one_id;
mod p4_committed_before_sent;
mod p5_order_per_path;
mod p6_independent;
mod p7_stops_cleanly;
mod p8_bounded;
mod p9_cannot_look_alive;
mod p9_it_says_how_it_is;
mod p9_starts_anew;
mod page;
mod recovery;
mod reload;
mod rotation;
mod signatures;
mod wire;

use std::{
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
};

use crate::harness::{Receiver, Site, Watchd, disk};

/// Checks that these paths, and no others, were delivered, each exactly once; ends the daemon.
///
/// A control file that lands last is delivered last: had anything been announced twice, it would have been
/// announced by then, or when the daemon drains.
pub(crate) fn assert_each_exactly_once(
    site: &Site,
    watchd: Watchd,
    receiver: &Receiver,
    paths: &[PathBuf],
) {
    receiver.wait_for_paths(paths);
    quiet_periods_pass(site, receiver, 1);
    watchd.stop();
    receiver.assert_no_duplicates();
    let delivered = receiver.read(|record| record.delivered.len());
    let controls = std::fs::read_dir(site.root()).unwrap();
    let is_control = |name: &std::ffi::OsStr| name.as_encoded_bytes().starts_with(b"control-");
    let controls =
        controls.filter(|entry| is_control(&entry.as_ref().unwrap().file_name())).count();
    assert_eq!(delivered, paths.len() + controls, "nothing else was delivered");
}

/// Lets `count` quiet periods pass, measured by files that land and are delivered one after the other.
pub(crate) fn quiet_periods_pass(site: &Site, receiver: &Receiver, count: usize) {
    static MADE: AtomicU32 = AtomicU32::new(0);
    for _ in 0..count {
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let control = disk::create(&site.root(), format!("control-{number}"));
        receiver.wait_for_paths(&[control]);
    }
}
