//! Every sync of the journal as the last thing that the daemon does.

use std::{collections::HashMap, path::PathBuf};

use crate::harness::{
    PATIENCE, Receiver, Site, Watchd, disk,
    helpers::have,
    skipped, wait_until,
    watchd::{command_of, program},
};

/// More than a run of six files may ever need: a run that is not over by then is endless.
const SYNCS_MAX: u32 = 200;

#[test]
fn a_daemon_that_is_killed_at_any_fdatasync_loses_nothing_and_keeps_its_ids() {
    kill_at_every("fdatasync");
}

#[test]
fn a_daemon_that_is_killed_at_any_fsync_loses_nothing_and_keeps_its_ids() {
    kill_at_every("fsync");
}

fn kill_at_every(call: &str) {
    if !have("strace") {
        return skipped("strace is not installed");
    }
    let survived = (1..SYNCS_MAX).find(|at| !is_killed_at(call, *at));
    let syncs = survived.expect("a run that is not killed") - 1;
    assert!(syncs > 1, "the journal calls {call}");
    eprintln!("{syncs} crash points at {call}");
}

/// Whether a small run, from its start to its clean end, meets its end at this call; whatever becomes of it,
/// the next one completes it.
fn is_killed_at(call: &str, at: u32) -> bool {
    let (receiver, site) = (Receiver::up(), Site::new());
    let config = site.config(&receiver.url()).watch("quiet", "50ms");
    let mut paths = disk::create_many(&site.root(), "early", 3);
    let mut command = command_of("strace", site.home());
    let inject = format!("inject={call}:signal=KILL:when={at}");
    command.args(["-D", "-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e"]);
    command.arg(inject).arg(program());
    let mut watchd = Watchd::spawn(config.run_by(command));
    wait_until_over(&mut watchd, &receiver, &paths);
    paths.extend(disk::create_many(&site.root(), "late", 3));
    wait_until_over(&mut watchd, &receiver, &paths);
    let was_alive = watchd.is_running();
    if was_alive {
        watchd.signal("TERM");
    }
    let was_killed = !watchd.wait_exit(PATIENCE).success();
    let watchd = config.ready();
    receiver.wait_for_paths(&paths);
    watchd.stop();
    assert_one_id_per_path(&receiver, at);
    was_killed
}

fn wait_until_over(watchd: &mut Watchd, receiver: &Receiver, paths: &[PathBuf]) {
    wait_until("the end, or all deliveries", || {
        let all = receiver.read(|record| record.delivered.len()) >= paths.len();
        all || !watchd.is_running()
    });
}

fn assert_one_id_per_path(receiver: &Receiver, at: u32) {
    receiver.read(|record| {
        let mut first: HashMap<&[u8], &str> = HashMap::new();
        for request in &record.requests {
            let id = first.entry(&request.path).or_insert(request.id());
            assert_eq!(*id, request.id(), "killed at sync {at}");
        }
    });
}
