//! `watchd events list`: what waits, what is parked, what is dead.

use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use crate::{
    check,
    cli::{Events, JournalAt},
    config,
    journal::snapshot::{Row, Snapshot},
};

/// Prints the deliveries of the wanted state, oldest first; one JSON object a line with `json`.
pub fn list(journal: JournalAt, json: bool, wanted: Events) -> ExitCode {
    let dir = match find(journal) {
        Ok(dir) => dir,
        Err(code) => return code,
    };
    let rows = match Snapshot::take(&dir).and_then(|snapshot| snapshot.rows()) {
        Ok(rows) => rows,
        Err(error) => {
            let _closed = writeln!(io::stderr(), "watchd: {error}; name another with --state-dir");
            return ExitCode::FAILURE;
        }
    };
    let rows: Vec<Row> = rows.into_iter().filter(|row| is_wanted(row, wanted)).collect();
    let printed = if json { print_json(&rows) } else { print_table(&rows) };
    // A reader that went away, such as `head`, is no success.
    if printed.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
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

fn is_wanted(row: &Row, wanted: Events) -> bool {
    match wanted {
        Events::All => true,
        Events::Waiting => row.state == "waiting",
        Events::Parked => row.state == "parked",
        Events::Dead => row.state == "dead",
    }
}

fn print_json(rows: &[Row]) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for row in rows {
        serde_json::to_writer(&mut out, row)?;
        out.write_all(b"\n")?;
    }
    out.flush()
}

fn print_table(rows: &[Row]) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    if rows.is_empty() {
        writeln!(out, "nothing waits, nothing is dead")?;
    }
    for row in rows {
        let refusal = match (row.status, &row.reason) {
            (Some(status), _) => format!("HTTP {status}"),
            (None, Some(reason)) => reason.clone(),
            (None, None) => "not tried yet".into(),
        };
        writeln!(
            out,
            "{}  {:7}  {}  {}/{}  attempts {}  {refusal}",
            row.event, row.state, row.endpoint, row.watch, row.path, row.attempts
        )?;
    }
    out.flush()
}
