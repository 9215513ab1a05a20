//! The status for a person. Pure.

use std::fmt::Write as _;

use super::Stopped;
use crate::{
    config::units::show_size,
    status::{Endpoint, File, Status, Watch, Why},
};

/// The daemon runs.
pub(super) fn running(status: &Status) -> String {
    let Status { version, host, pid, phase, .. } = status;
    let up = period(status.uptime_s);
    let mut text = format!("watchd {version} on {host}, process {pid}, {phase} for {up}\n");
    // Writing to a string cannot fail.
    for stuck in status.stuck.iter().chain(&status.hanging) {
        let _ok = writeln!(text, "{}: {} for {}", stuck.stage, stuck.how, period(stuck.for_s));
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
    let since = watch.for_s.map_or(String::new(), |s| format!(" for {}", period(s)));
    let reason = watch.reason.as_ref().map_or(String::new(), |why| format!(": {why}"));
    let Watch { name, path, state, waiting, .. } = watch;
    let _ok = writeln!(text, "\nwatch {name}  {path}  {state}{since}{reason}");
    let width = waiting.files.iter().map(|file| file.path.chars().count()).max().unwrap_or(0);
    for file in &waiting.files {
        let (size, why) = (file.size.map_or(String::new(), show_size), because(file));
        let _ok =
            writeln!(text, "  {:width$}  {size:>10}  {why}", file.path, width = width.min(48));
    }
    if waiting.more > 0 {
        let _ok = writeln!(text, "  and {} more", waiting.more);
    }
    if waiting.files.is_empty() {
        let _ok = writeln!(text, "  no file is waited for");
    }
}

fn because(file: &File) -> String {
    let since = period(file.why_s.unwrap_or(file.since_s));
    match file.why {
        Why::Changed => format!("changed {since} ago"),
        Why::OpenForWriting => format!("open for writing since {since}"),
        Why::NoRoom => "the outbox is full".to_owned(),
        Why::NoMarker => "its marker is not there".to_owned(),
        Why::Unclear => {
            format!("cannot be looked at: {}", file.error.as_deref().unwrap_or("unknown"))
        }
    }
}

fn of_endpoint(text: &mut String, endpoint: &Endpoint) {
    let Endpoint { name, state, waiting, in_flight, delivered, .. } = endpoint;
    let again = endpoint.in_s.map_or(String::new(), |s| format!(", tried again in {}", period(s)));
    let reason = endpoint.reason.as_ref().map_or(String::new(), |why| format!(": {why}"));
    let _ok = writeln!(text, "\nendpoint {name}  {state}{again}{reason}");
    let oldest =
        endpoint.oldest_s.map_or(String::new(), |s| format!(", the oldest for {}", period(s)));
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

/// In the largest unit that says something.
fn period(seconds: u64) -> String {
    match seconds {
        s @ 0..120 => format!("{s} s"),
        s @ 120..7200 => format!("{} min", s / 60),
        s @ 7200..172_800 => format!("{} h", s / 3600),
        s => format!("{} d", s / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_why_it_waits() {
        let file = |why, error: Option<&str>| File {
            path: "a".into(),
            size: None,
            since_s: 20,
            why,
            why_s: Some(14),
            error: error.map(str::to_owned),
        };
        assert_eq!(because(&file(Why::OpenForWriting, None)), "open for writing since 14 s");
        assert_eq!(because(&file(Why::Changed, None)), "changed 14 s ago");
        assert_eq!(because(&file(Why::Unclear, Some("EACCES"))), "cannot be looked at: EACCES");
    }
}
