//! P2: finding out whether a file is being written must not harm whoever writes it.

use std::{
    fs::OpenOptions,
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    thread,
    time::Duration,
};

use crate::harness::{
    Receiver, Site,
    clock::{now, pace_until},
    disk, skipped,
};

/// A lease that is held, and not dropped at once, costs a writer 45 s.
const MOMENT: Duration = Duration::from_secs(5);
const ROUNDS: u64 = 60;
const O_NONBLOCK: i32 = 0o4000;

/// How one writer fared.
#[derive(Default)]
struct Account {
    longest_wait: Duration,
    would_block: u32,
}

#[test]
fn writers_in_a_loop_are_neither_refused_nor_held_up_and_the_daemon_survives() {
    let (receiver, site) = (Receiver::up(), Site::new());
    if !disk::tells_writers(&site.root()) {
        return skipped("the file system of the temporary directory knows no leases");
    }
    let mut watchd = site.config(&receiver.url()).watch("quiet", "50ms").ready();
    let writers: Vec<_> = (0..8)
        .map(|n| {
            let path = site.root().join(format!("written-{n}.dat"));
            thread::spawn(move || write_in_a_loop(&path, n))
        })
        .collect();
    let mut refused = 0;
    for writer in writers {
        let account = writer.join().unwrap();
        assert!(account.longest_wait < MOMENT, "a writer waited {:?}", account.longest_wait);
        refused += account.would_block;
    }
    eprintln!("{refused} non-blocking opens met a probe and were granted a moment later");
    receiver.wait_for("the last version of each file is delivered", |record| {
        let is_last = |n: u64| {
            let name = format!("written-{n}.dat");
            let last = record.requests.iter().rfind(|request| request.is_of(&name));
            last.is_some_and(|request| request.data("size") == ROUNDS)
        };
        (0..8).all(is_last).then_some(())
    });
    assert!(watchd.is_running(), "SIGIO did not end the daemon");
    watchd.stop();
}

/// Appends a byte per round, with pauses around the quiet period so that opens meet probes.
fn write_in_a_loop(path: &Path, number: u64) -> Account {
    let mut account = Account::default();
    for round in 0..ROUNDS {
        let begin = now();
        let mut options = OpenOptions::new();
        options.create(true).append(true);
        if number.is_multiple_of(2) {
            options.custom_flags(O_NONBLOCK);
        }
        let mut file = loop {
            match options.open(path) {
                Ok(file) => break file,
                Err(e) if e.kind() == ErrorKind::WouldBlock => account.would_block += 1,
                Err(e) => panic!("a writer was refused: {e}"),
            }
            assert!(begin.elapsed() < MOMENT, "a writer was refused for {MOMENT:?}");
            thread::yield_now();
        };
        account.longest_wait = account.longest_wait.max(begin.elapsed());
        file.write_all(b"x").unwrap();
        drop(file);
        pace_until(begin + Duration::from_millis(45 + (round * 7 + number * 3) % 20));
    }
    account
}
