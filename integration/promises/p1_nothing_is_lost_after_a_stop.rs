//! P1: nothing is lost when the daemon or the receiver is away for a while.

use std::{path::PathBuf, thread, time::Duration};

use crate::harness::{
    PATIENCE, Receiver, Reply, Site,
    clock::{now, pace_until},
    disk,
    log::said,
};

const STREAM_LEN: u32 = 2000;
const FILES_PER_SECOND: u32 = 500;

#[test]
fn a_receiver_that_is_down_for_three_seconds_gets_everything() {
    let (receiver, site) = (Receiver::down_at_first(), Site::new());
    let watchd = site.config(&receiver.url()).ready();
    let start = now();
    let paths = disk::create_many(&site.root(), "early", 300);
    watchd.wait_for(said::RETRY);
    pace_until(start + Duration::from_secs(3));
    receiver.come_up();
    receiver.wait_for_paths(&paths);
    watchd.stop();
    receiver.assert_no_duplicates();
}

#[test]
fn a_receiver_that_answers_503_to_the_first_hundred_gets_everything() {
    let site = Site::new();
    let mut refusals = 100;
    let receiver = Receiver::scripted(move |_| {
        let refuse = refusals > 0;
        refusals -= i32::from(refuse);
        Reply::Status(if refuse { 503 } else { 200 })
    });
    let watchd = site.config(&receiver.url()).ready();
    let paths = disk::create_many(&site.root(), "refused", 500);
    receiver.wait_for_paths(&paths);
    watchd.stop();
    receiver.assert_no_duplicates();
    receiver.read(|record| assert_eq!(record.requests.len(), 600, "100 refused, 500 accepted"));
}

#[test]
fn a_receiver_that_goes_away_for_a_while_gets_everything() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let watchd = site.config(&receiver.url()).ready();
    let mut paths = disk::create_many(&site.root(), "before", 50);
    receiver.wait_for_paths(&paths);
    receiver.go_down();
    paths.extend(disk::create_many(&site.root(), "meanwhile", 50));
    watchd.wait_for(said::RETRY);
    receiver.come_up();
    paths.extend(disk::create_many(&site.root(), "after", 50));
    receiver.wait_for_paths(&paths);
    watchd.stop();
    receiver.assert_one_id_per_path();
}

#[test]
fn files_that_land_while_the_daemon_is_away_are_delivered_after_the_restart() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let config = site.config(&receiver.url());
    config.ready().stop();
    let paths = disk::create_in_new_dirs(&site.root(), 10, 10);
    let watchd = config.ready();
    receiver.wait_for_paths(&paths);
    watchd.stop();
    receiver.assert_no_duplicates();
}

#[test]
fn sigterm_in_the_middle_of_a_stream_loses_nothing_and_repeats_nothing() {
    let receiver = stream_with_restarts(|config| {
        let watchd = config.start();
        move || watchd.stop()
    });
    receiver.assert_no_duplicates();
}

#[test]
fn sigkill_in_the_middle_of_a_stream_loses_nothing_and_repeats_ids() {
    let receiver = stream_with_restarts(|config| {
        let mut watchd = config.start();
        move || watchd.kill9()
    });
    receiver.assert_one_id_per_path();
}

/// 2000 files at 500 a second, with the daemon stopped and started again twice while they keep coming.
fn stream_with_restarts<S: FnOnce()>(
    mut start: impl FnMut(&crate::harness::Config) -> S,
) -> Receiver {
    let (receiver, site) = (Receiver::up(), Site::new());
    let config = site.config(&receiver.url());
    let root = site.root();
    let writer = thread::spawn(move || {
        let begin = now();
        let write = |n: u32| -> PathBuf {
            pace_until(begin + Duration::from_secs(1) / FILES_PER_SECOND * n);
            disk::create(&root, format!("stream-{n:04}.dat"))
        };
        (0..STREAM_LEN).map(write).collect::<Vec<_>>()
    });
    for share in [4, 2] {
        let stop = start(&config);
        let wanted = STREAM_LEN as usize / share;
        receiver.wait_for(&format!("1/{share} of the stream"), |record| {
            (record.delivered.len() >= wanted).then_some(())
        });
        stop();
    }
    let last = start(&config);
    let paths = writer.join().unwrap();
    let begin = now();
    receiver.wait_for_paths(&paths);
    assert!(begin.elapsed() < PATIENCE, "all delivered within 60 s of the last restart");
    last();
    receiver
}
