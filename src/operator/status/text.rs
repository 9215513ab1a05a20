//! The status for a person. Pure.

use std::fmt::Write as _;

use super::Stopped;
use crate::status::{
    Endpoint, Status, Watch,
    words::{size, span},
};

/// The daemon runs.
pub(super) fn running(status: &Status) -> String {
    let Status { version, host, pid, phase, .. } = status;
    let up = span(status.uptime_s);
    let mut text = format!("watchd {version} on {host}, process {pid}, {phase} for {up}\n");
    // Writing to a string cannot fail.
    for stuck in status.stuck.iter().chain(&status.hanging) {
        let _ok = writeln!(text, "{}: {} for {}", stuck.stage, stuck.how, span(stuck.for_s));
    }
    if let Some(reload) = status.reload.as_ref().filter(|reload| !reload.accepted) {
        let reason = &reload.message;
        let _ok = writeln!(text, "configuration read at {}: {reason}", reload.at);
    }
    if !status.journal.usable {
        let reason = status.journal.reason.as_deref().unwrap_or("not open yet");
        let _ok = writeln!(text, "journal cannot be used: {reason}");
    }
    for watch in &status.watches {
        of_watch(&mut text, watch);
    }
    for endpoint in &status.endpoints {
        of_endpoint(&mut text, endpoint);
    }
    for parked in &status.journal.parked {
        let (name, events) = (&parked.endpoint, parked.waiting + parked.dead);
        let _ok = writeln!(text, "\nendpoint {name}  not configured, {events} events are kept");
    }
    text
}

fn of_watch(text: &mut String, watch: &Watch) {
    let since = watch.for_s.map_or(String::new(), |s| format!(" for {}", span(s)));
    let reason = watch.reason.as_ref().map_or(String::new(), |why| format!(": {why}"));
    let Watch { name, path, state, waiting, .. } = watch;
    let _ok = writeln!(text, "\nwatch {name}  {path}  {state}{since}{reason}");
    let width = waiting.files.iter().map(|file| file.path.chars().count()).max().unwrap_or(0);
    for file in &waiting.files {
        let (path, width, why) = (&file.path, width.min(48), file.reason());
        let size = file.size.map_or(String::new(), size);
        let _ok = writeln!(text, "  {path:width$}  {size:>10}  {why}");
    }
    if waiting.more > 0 {
        let _ok = writeln!(text, "  and {} more", waiting.more);
    }
    if waiting.files.is_empty() {
        let _ok = writeln!(text, "  no file is waited for");
    }
    let ignored = watch.last_scan.as_ref().map_or(0, |scan| scan.ignored);
    if ignored > 0 {
        let _ok = writeln!(text, "  {ignored} ignored by size");
    }
    if watch.unasked > 0 {
        let _ok = writeln!(text, "  {} settled without a word about writers", watch.unasked);
    }
}

fn of_endpoint(text: &mut String, endpoint: &Endpoint) {
    let Endpoint { name, state, waiting, in_flight, delivered, .. } = endpoint;
    let again = endpoint.in_s.map_or(String::new(), |s| format!(", tried again in {}", span(s)));
    let reason = endpoint.reason.as_ref().map_or(String::new(), |why| format!(": {why}"));
    let _ok = writeln!(text, "\nendpoint {name}  {state}{again}{reason}");
    let oldest =
        endpoint.oldest_s.map_or(String::new(), |s| format!(", the oldest for {}", span(s)));
    let dead: u64 = endpoint.dead.values().sum();
    let _ok = writeln!(
        text,
        "  {waiting} waiting{oldest}; {in_flight} under way; {dead} dead; {delivered} delivered since the start"
    );
    if let Some(failure) = &endpoint.last_failure {
        let _ok = writeln!(
            text,
            "  last failure {}: {}/{}: {}",
            failure.at, failure.watch, failure.path, failure.reason
        );
    }
}

/// The daemon does not run.
pub(super) fn stopped(stopped: &Stopped) -> String {
    let mut text = "the daemon is not running; its journal holds\n".to_owned();
    for (name, counts) in &stopped.endpoints {
        let super::Counts { waiting, dead, parked } = counts;
        let _ok =
            writeln!(text, "endpoint {name}  {waiting} waiting, {dead} dead, {parked} parked");
    }
    if stopped.endpoints.is_empty() {
        text.push_str("nothing that is not delivered\n");
    }
    text
}
