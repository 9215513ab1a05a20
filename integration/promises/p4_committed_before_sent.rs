//! P4: an event is on stable storage before its first request leaves, as the kernel sees it.

use std::{collections::HashSet, fs};

use crate::harness::{
    Receiver, Site, Watchd, disk, helpers::have, skipped, wait_until, watchd::command_of,
};

const CALLS: &str = "trace=fdatasync,fsync,write,pwrite64,writev,pwritev,sendto,sendmsg";

#[test]
fn the_journal_is_synced_between_the_commit_of_an_event_and_its_first_request() {
    if !have("strace") {
        return skipped("strace is not installed");
    }
    let (receiver, site) = (Receiver::up(), Site::new());
    let trace = site.path("trace");
    // -D: strace steps aside, so that the child that we start is the daemon itself.
    let mut command = command_of("strace", site.home());
    command.args(["-D", "-f", "-y", "-s", "16384", "-e", CALLS, "-o"]).arg(&trace);
    command.arg(env!("CARGO_BIN_EXE_watchd"));
    let watchd = Watchd::spawn(site.config(&receiver.url()).run_by(command));
    watchd.wait_ready(1);
    let paths = disk::create_many(&site.root(), "traced", 20);
    receiver.wait_for_paths(&paths);
    watchd.stop();
    let ended = || fs::read_to_string(&trace).is_ok_and(|text| text.contains("+++ exited with"));
    wait_until("the trace is complete", ended);
    let text = fs::read_to_string(&trace).unwrap();
    let state_dir = site.state_dir();
    let ids: HashSet<_> =
        receiver.read(|record| record.delivered.values().flatten().cloned().collect());
    assert_eq!(ids.len(), 20);
    for id in ids {
        assert_synced_before_sent(&text, &id, state_dir.to_str().unwrap());
    }
}

fn assert_synced_before_sent(trace: &str, id: &str, state_dir: &str) {
    let lines: Vec<_> = trace.lines().collect();
    let is_request = |line: &&str| line.contains("POST /") && line.contains(id);
    let sent = lines.iter().position(is_request).expect("the request is traced");
    let is_stored = |line: &&str| line.contains(state_dir) && line.contains(id);
    let stored = lines.iter().position(is_stored).expect("the commit is traced");
    assert!(stored < sent, "{id} is written before it is sent");
    assert!(
        has_complete_sync(&lines[stored..sent], state_dir),
        "{id}: no sync of the journal between line {stored} and line {sent}"
    );
}

/// Whether a sync of the journal began and ended well in these lines.
fn has_complete_sync(lines: &[&str], state_dir: &str) -> bool {
    let begins = |line: &str| {
        (line.contains(" fdatasync(") || line.contains(" fsync(")) && line.contains(state_dir)
    };
    let thread = |line: &str| line.split_whitespace().next().map(str::to_owned);
    lines.iter().enumerate().filter(|(_, line)| begins(line)).any(|(at, line)| {
        let ends_well = |end: &str| end.trim_end().ends_with("= 0");
        let resumed =
            |later: &&&str| later.contains("sync resumed>") && thread(later) == thread(line);
        ends_well(line) || lines[at..].iter().find(resumed).is_some_and(|end| ends_well(end))
    })
}
