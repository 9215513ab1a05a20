//! `watchd events ...`: what waits, what is parked, what is dead, and why; and what is done about it.

mod source;
mod text;

use std::{
    collections::BTreeMap,
    io::{self, Write},
    process::ExitCode,
};

use serde::Serialize;

use self::source::{Failed, Source, treat};
use crate::{
    arrival::EventId,
    cli::{Ask, Events},
    clock,
    control::{NoAnswer, TreatedRow},
    journal::{Remedied, look::Filter},
    operator::place::Place,
    terminal::{complain, failed},
};

/// Does what was asked. 1: it failed, or there was nothing to do it with.
pub fn run(events: Events) -> ExitCode {
    let place = match events.place.find() {
        Ok(place) => place,
        Err(code) => return code,
    };
    let done = match events.ask {
        Ask::List(filter, limit) => list(&place, &filter, limit, events.json),
        Ask::Show(ids) => show(&place, ids, events.json),
        Ask::Retry(filter) => treat_all(&place, &RETRY, &filter, events.json),
        Ask::Discard(filter) => treat_all(&place, &DISCARD, &filter, events.json),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) | Err(Failed::Printing(_)) => ExitCode::FAILURE,
        Err(why) => failed(&why),
    }
}

/// Prints the deliveries that fit; whether there was one.
fn list(place: &Place, filter: &Filter, limit: usize, json: bool) -> Result<bool, Failed> {
    let source = Source::open(place)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let (mut left, mut after, mut found) = (limit, None, false);
    loop {
        let (rows, next) = source.list(filter, after, left)?;
        for row in &rows {
            found = true;
            if json {
                print_json(&mut out, row)?;
            } else {
                writeln!(out, "{}", text::line(row))?;
            }
        }
        left = left.saturating_sub(rows.len());
        after = next;
        if after.is_none() || left == 0 {
            break;
        }
    }
    if !found && !json {
        writeln!(out, "no event fits: what is delivered is not kept")?;
    }
    out.flush()?;
    if after.is_some() {
        complain(&format!("that was the limit, {limit}; there may be more, see --limit"));
    }
    Ok(found)
}

/// Prints these events whole; whether each was there.
fn show(place: &Place, ids: Vec<EventId>, json: bool) -> Result<bool, Failed> {
    let source = Source::open(place)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let filter = Filter { ids, ..Filter::default() };
    let (mut after, mut missing) = (None, text::names(&filter.ids));
    loop {
        let (events, next) = source.show(&filter, after)?;
        for event in &events {
            missing.remove(&event.event);
            if json {
                print_json(&mut out, event)?;
            } else {
                out.write_all(text::detail(event, clock::wall()).as_bytes())?;
            }
        }
        after = next;
        if after.is_none() {
            break;
        }
    }
    out.flush()?;
    complain_of(&missing);
    Ok(missing.is_empty())
}

fn complain_of(missing: &std::collections::BTreeSet<String>) {
    for id in missing {
        complain(&format!("{id} is not in the journal: it was delivered, or never was there"));
    }
}

/// A remedy in words.
struct Words {
    verb: &'static str,
    done: &'static str,
}

const RETRY: Words = Words { verb: "retry", done: "will be sent again" };
const DISCARD: Words = Words { verb: "discard", done: "discarded" };

/// Does it to everything that fits, and prints what became of each; whether each that was asked for was there
/// and it could be done to one at least.
fn treat_all(place: &Place, words: &Words, filter: &Filter, json: bool) -> Result<bool, Failed> {
    let client = place.client().map_err(Failed::Start)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let (mut after, mut missing) = (None, text::names(&filter.ids));
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    loop {
        let treated = treat(&client, words.verb, filter, after).map_err(must_run)?;
        for event in &treated.events {
            missing.remove(&event.row.event);
            let outcome = outcome(event, words);
            *counts.entry(outcome).or_default() += 1;
            if json {
                print_json(&mut out, event)?;
            } else {
                writeln!(out, "{}", text::treated(&event.row, outcome))?;
            }
        }
        after = treated.next;
        if after.is_none() {
            break;
        }
    }
    if !json {
        writeln!(out, "{}", text::counts(&counts))?;
    }
    out.flush()?;
    complain_of(&missing);
    Ok(missing.is_empty() && counts.contains_key(words.done))
}

fn outcome(event: &TreatedRow, words: &Words) -> &'static str {
    match event.outcome {
        Remedied::Done => words.done,
        Remedied::Gone => "ended meanwhile",
        Remedied::NotConfigured => "left alone: its endpoint is not configured",
        Remedied::EndpointParked => {
            "left alone: its endpoint answered 410 Gone, see `watchd endpoint resume`"
        }
    }
}

/// Only the daemon writes into its journal.
fn must_run(failed: Failed) -> Failed {
    match failed {
        Failed::Asking(NoAnswer::Down(socket)) => Failed::MustRun(socket),
        other => other,
    }
}

fn print_json(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}
