//! `watchd events ...`: what waits, what is parked, what is dead, and why.

mod text;

use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use serde::Serialize;

use crate::{
    arrival::EventId,
    check,
    cli::{Ask, Events, JournalAt},
    clock, config,
    journal::{
        look::Filter,
        snapshot::{Snapshot, SnapshotError},
    },
};

/// Does what was asked. 1: it failed, or there was nothing to do it with.
pub fn run(events: Events) -> ExitCode {
    let dir = match find(events.journal) {
        Ok(dir) => dir,
        Err(code) => return code,
    };
    let snapshot = match Snapshot::take(&dir) {
        Ok(snapshot) => snapshot,
        Err(error) => return failed(&error),
    };
    let done = match events.ask {
        Ask::List(filter, limit) => list(&snapshot, &filter, limit, events.json),
        Ask::Show(ids) => show(&snapshot, &ids, events.json),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) | Err(Failed::Printing(_)) => ExitCode::FAILURE,
        Err(Failed::Reading(error)) => failed(&error),
    }
}

/// Why a command did not get to its end.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Reading(#[from] SnapshotError),
    /// A reader that went away, such as `head`, is no success, and needs no words.
    #[error(transparent)]
    Printing(#[from] io::Error),
}

fn failed(error: &SnapshotError) -> ExitCode {
    complain(&format!("{error}; name another with --state-dir"));
    ExitCode::FAILURE
}

fn complain(what: &str) {
    let _closed = writeln!(io::stderr(), "watchd: {what}");
}

/// The state directory. A daemon that was started with flags alone has one of its own below the default.
fn find(journal: JournalAt) -> Result<PathBuf, ExitCode> {
    let sources = match journal {
        JournalAt::StateDir(dir) => return Ok(dir),
        JournalAt::Config(sources) => sources,
    };
    let dir = match sources.config {
        Some(_) => config::load(&sources).map(|loaded| loaded.config.state.dir),
        None => config::state_dir(&sources),
    };
    let dir = dir.map_err(|problems| check::refused(&problems))?;
    let below =
        fs::read_dir(&dir).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let mut with_journal = below.filter(|below| Snapshot::exists(below));
    match (Snapshot::exists(&dir), with_journal.next(), with_journal.next()) {
        (false, Some(only), None) => Ok(only),
        _ => Ok(dir),
    }
}

/// Prints the deliveries that fit; whether there was one.
fn list(snapshot: &Snapshot, filter: &Filter, limit: usize, json: bool) -> Result<bool, Failed> {
    let (rows, more) = snapshot.list(filter, limit)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    for row in &rows {
        if json {
            print_json(&mut out, row)?;
        } else {
            writeln!(out, "{}", text::line(row))?;
        }
    }
    if rows.is_empty() && !json {
        writeln!(out, "no event fits: what is delivered is not kept")?;
    }
    out.flush()?;
    if more {
        complain(&format!("there are more than {limit}; see --limit"));
    }
    Ok(!rows.is_empty())
}

/// Prints these events whole; whether each was there.
fn show(snapshot: &Snapshot, ids: &[EventId], json: bool) -> Result<bool, Failed> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut complete = true;
    for id in ids {
        let details = snapshot.show(*id)?;
        if details.is_empty() {
            complete = false;
            complain(&format!("{id} is not in the journal: it was delivered, or never was there"));
        }
        for detail in &details {
            if json {
                print_json(&mut out, detail)?;
            } else {
                out.write_all(text::detail(detail, clock::wall()).as_bytes())?;
            }
        }
    }
    out.flush()?;
    Ok(complete)
}

fn print_json(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}
