//! `watchd events list`: what waits, what is parked, what is dead.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use crate::{
    arrival::Name,
    check,
    cli::{Events, JournalAt},
    config,
    journal::snapshot::{Row, Snapshot, SnapshotError},
};

/// Prints the deliveries of the wanted state, oldest first; one JSON object a line with `json`.
pub fn list(journal: JournalAt, json: bool, wanted: Events) -> ExitCode {
    let (dir, endpoints) = match find(journal) {
        Ok(found) => found,
        Err(code) => return code,
    };
    let rows = match Snapshot::take(&dir).and_then(|snapshot| snapshot.rows()) {
        Ok(rows) => rows,
        // Nothing was ever recorded: nothing waits.
        Err(SnapshotError::Missing(_)) if dir.is_dir() => Vec::new(),
        Err(error) => {
            let _closed = writeln!(io::stderr(), "watchd: {error}");
            return ExitCode::FAILURE;
        }
    };
    let rows = rows.into_iter().map(|row| park(row, endpoints.as_deref()));
    let rows: Vec<Row> = rows.filter(|row| is_wanted(row, wanted)).collect();
    let printed = if json { print_json(&rows) } else { print_table(&rows) };
    // A reader that went away, such as `head`, is no success.
    if printed.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The state directory, and the configured endpoints where a configuration names them.
fn find(journal: JournalAt) -> Result<(PathBuf, Option<Vec<Name>>), ExitCode> {
    match journal {
        JournalAt::StateDir(dir) => Ok((dir, None)),
        JournalAt::Config(sources) if sources.config.is_some() => {
            let loaded = config::load(&sources).map_err(|problems| check::refused(&problems))?;
            let endpoints = loaded.config.endpoints.into_iter().map(|e| e.name).collect();
            Ok((loaded.config.state.dir, Some(endpoints)))
        }
        JournalAt::Config(sources) => {
            let dir = config::state_dir(&sources).map_err(|problems| check::refused(&problems))?;
            Ok((dir, None))
        }
    }
}

/// What waits for an endpoint that is no longer configured is parked.
fn park(mut row: Row, endpoints: Option<&[Name]>) -> Row {
    let configured =
        endpoints.is_none_or(|names| names.iter().any(|name| name.as_str() == row.endpoint));
    if row.state == "waiting" && !configured {
        row.state = "parked";
    }
    row
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
