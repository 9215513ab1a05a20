//! `watchd status`: what is waited for, and why.

mod text;

use std::{collections::BTreeMap, process::ExitCode};

use serde::Serialize;

use super::place::{Place, Which};
use crate::{
    control::NoAnswer,
    journal::{
        look::{self, Filter, PAGE_MAX, State},
        snapshot::{Snapshot, SnapshotError},
    },
    status::Status,
    terminal::{complain, failed, say},
};

/// What the journal of a daemon that does not run holds.
#[derive(Debug, Serialize)]
struct Stopped {
    running: bool,
    endpoints: BTreeMap<String, Counts>,
}

/// Events at one endpoint.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Counts {
    waiting: u64,
    dead: u64,
    parked: u64,
}

/// Prints it. 1: the daemon does not run, or does not answer.
pub fn run(which: Which, json: bool) -> ExitCode {
    let place = match which.find() {
        Ok(place) => place,
        Err(code) => return code,
    };
    let status = match place.client() {
        Ok(client) => client.get::<Status>("/status"),
        Err(error) => return failed(&error),
    };
    let (text, code) = match status {
        Ok(status) => {
            let text = if json { line(&status) } else { text::running(&status) };
            (text, ExitCode::SUCCESS)
        }
        Err(NoAnswer::Down(_)) => match counted(&place) {
            Ok(stopped) => {
                let text = if json { line(&stopped) } else { text::stopped(&stopped) };
                (text, ExitCode::FAILURE)
            }
            Err(error) => {
                complain(&"the daemon is not running");
                return failed(&error);
            }
        },
        Err(error) => return failed(&error),
    };
    say(&text, code)
}

fn line(document: &impl Serialize) -> String {
    // Documents of ours are text, numbers and lists.
    serde_json::to_string(document).unwrap_or_default() + "\n"
}

fn counted(place: &Place) -> Result<Stopped, SnapshotError> {
    let copy = Snapshot::take(&place.state_dir)?;
    let mut endpoints: BTreeMap<String, Counts> = BTreeMap::new();
    let mut after = Some(look::Place::START);
    while let Some(at) = after {
        let page = copy.list(&Filter::default(), at, PAGE_MAX)?;
        for (_, row) in page.events {
            let counts = endpoints.entry(row.endpoint).or_default();
            *match row.state {
                State::Waiting => &mut counts.waiting,
                State::Dead => &mut counts.dead,
                State::Parked => &mut counts.parked,
            } += 1;
        }
        after = page.next;
    }
    Ok(Stopped { running: false, endpoints })
}
