//! `watchd endpoint test`: one signed event about nothing, and how each step to the receiver went.
//!
//! The command does it by itself, and does not ask the daemon: a test is wanted most of all before a daemon is
//! started or told to reload, so it has to try the configuration and the files as they are now. It opens
//! no journal, so neither an event nor the endpoint's state changes.

mod advice;
mod report;
mod text;

use std::{io, process::ExitCode};

use self::report::Report;
use crate::{
    arrival::Name,
    check, clock,
    config::{self, Sources, checked::Config},
    deliver, journal,
    terminal::{complain, failed, say},
};

/// As for a command line that cannot be understood.
const EXIT_USAGE: u8 = 2;

/// Tests the endpoint `name`. 1: the receiver has not accepted the event; 2: there is no such endpoint.
pub fn run(sources: &Sources, name: &Name, json: bool) -> ExitCode {
    let config = match config::load(sources) {
        Ok(loaded) => {
            check::report(&loaded.warnings);
            loaded.config
        }
        Err(problems) => return check::refused(&problems),
    };
    let Some(endpoint) = config.endpoints.iter().find(|endpoint| endpoint.name == *name) else {
        complain(&format!("no endpoint is called {name}; there is {}", names(&config)));
        return ExitCode::from(EXIT_USAGE);
    };
    let report = match test(&config, endpoint) {
        Ok(report) => report,
        Err(error) => return failed(&error),
    };
    let text = if json { report.json() } else { text::of(&report) };
    say(&text, if report.accepted { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn test(config: &Config, endpoint: &config::checked::Endpoint) -> io::Result<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (dir, now) = (&config.state.dir, clock::wall());
    let (event, body) = journal::ping(dir, &config.instance, &endpoint.name, now)?;
    let trial = runtime.block_on(deliver::trial(endpoint, event, body));
    // A look-up that hangs keeps one of its threads.
    runtime.shutdown_background();
    Ok(Report::of(endpoint, event, trial, clock::wall()))
}

fn names(config: &Config) -> String {
    let names: Vec<_> = config.endpoints.iter().map(|endpoint| endpoint.name.as_str()).collect();
    names.join(", ")
}
