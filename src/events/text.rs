//! How events look to a person. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use crate::{
    arrival::EventId,
    clock::WallMs,
    journal::look::{Attempt, Delivery, Detail, Row, State},
    status::words::{span, time},
};

/// One line of the list.
pub(super) fn line(row: &Row) -> String {
    let Row { event, endpoint, watch, path, attempts, .. } = row;
    let (state, refusal) = (row.state.name(), refusal(row));
    format!("{event}  {state:7}  {endpoint}  {watch}/{path}  attempts {attempts}  {refusal}")
}

fn refusal(row: &Row) -> String {
    match (row.status, &row.reason) {
        (Some(status), _) => format!("HTTP {status}"),
        (None, Some(reason)) => reason.clone(),
        (None, None) => "not tried yet".into(),
    }
}

/// What was done to one event at one endpoint.
pub(super) fn treated(row: &Row, outcome: &str) -> String {
    let Row { event, endpoint, watch, path, .. } = row;
    let state = row.state.name();
    format!("{event}  {state:7}  {endpoint}  {watch}/{path}  {outcome}")
}

/// What was done to all of them.
pub(super) fn counts(counts: &BTreeMap<&str, u64>) -> String {
    if counts.is_empty() {
        return "no event fits: what is delivered is not kept".into();
    }
    let each: Vec<_> = counts.iter().map(|(what, count)| format!("{count} {what}")).collect();
    each.join("; ")
}

/// As they are printed.
pub(super) fn names(ids: &[EventId]) -> BTreeSet<String> {
    ids.iter().map(ToString::to_string).collect()
}

/// Everything about one event, in several lines.
pub(super) fn detail(detail: &Detail, now: WallMs) -> String {
    let Detail { event, watch, path, committed_ms, body, deliveries } = detail;
    let committed = WallMs(*committed_ms);
    let mut text = format!(
        "{event}\n  file       {watch}/{path}\n  committed  {}, {} ago\n  body       {body}\n",
        time(committed),
        span(now.until(committed).as_secs()),
    );
    for delivery in deliveries {
        at_endpoint(&mut text, delivery, now);
    }
    text
}

fn at_endpoint(text: &mut String, delivery: &Delivery, now: WallMs) {
    let Delivery { row, log } = delivery;
    // Writing to a string cannot fail.
    let _ok = writeln!(text, "  endpoint   {}: {}", row.endpoint, standing(row, now));
    for attempt in log {
        let _ok = writeln!(text, "    {}", tried(attempt));
        if !attempt.answer.is_empty() && attempt.answer != attempt.reason {
            let _ok = writeln!(text, "      {}", attempt.answer);
        }
    }
}

/// What is to come.
fn standing(row: &Row, now: WallMs) -> String {
    let attempts = match row.attempts {
        0 => "never charged".to_owned(),
        1 => "1 attempt".to_owned(),
        n => format!("{n} attempts"),
    };
    let next = match (row.state, &row.behind, row.due_ms) {
        (State::Dead, ..) => "given up; `watchd events retry` sends it again".to_owned(),
        (State::Parked, ..) => "its endpoint is not configured, or answered 410 Gone".to_owned(),
        (State::Waiting, Some(first), _) => format!("goes after {first}"),
        (State::Waiting, None, Some(due)) if WallMs(due) > now => {
            format!("due in {}", span(WallMs(due).until(now).as_secs()))
        }
        (State::Waiting, None, _) => "due".to_owned(),
    };
    format!("{}, {attempts}, {next}", row.state.name())
}

fn tried(attempt: &Attempt) -> String {
    let Attempt { at_ms, took_ms, class, status, reason, .. } = attempt;
    let status = status.map_or_else(|| "no answer".to_owned(), |status| format!("HTTP {status}"));
    format!("{}  {took_ms:>6} ms  {status:9}  {class:6}  {reason}", time(WallMs(*at_ms)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(state: State) -> Row {
        Row {
            event: "evt_1".into(),
            endpoint: "crm".into(),
            state,
            watch: "inbox".into(),
            path: "a.pdf".into(),
            attempts: 2,
            class: Some("retry".into()),
            status: None,
            reason: Some("no answer in time".into()),
            committed_ms: 1_772_366_400_000,
            tried_ms: Some(1_772_366_400_000),
            due_ms: Some(1_772_366_700_000),
            behind: None,
        }
    }

    const NOW: WallMs = WallMs(1_772_366_460_000);

    #[test]
    fn an_event_is_shown_whole() {
        let attempt = Attempt {
            at_ms: 1_772_366_401_000,
            took_ms: 12,
            class: "reject".into(),
            status: Some(422),
            reason: "no such".into(),
            answer: "no such customer".into(),
        };
        let shown = detail(
            &Detail {
                event: "evt_1".into(),
                watch: "inbox".into(),
                path: "a.pdf".into(),
                committed_ms: 1_772_366_400_000,
                body: serde_json::value::RawValue::from_string("{\"a\":1}".into()).unwrap(),
                deliveries: vec![Delivery { row: row(State::Waiting), log: vec![attempt] }],
            },
            NOW,
        );
        insta::assert_snapshot!(shown, @r#"
        evt_1
          file       inbox/a.pdf
          committed  2026-03-01T12:00:00Z, 1 min ago
          body       {"a":1}
          endpoint   crm: waiting, 2 attempts, due in 4 min
            2026-03-01T12:00:01Z      12 ms  HTTP 422   reject  no such
              no such customer
        "#);
    }

    #[test]
    fn a_line_says_what_came_of_it() {
        assert_eq!(
            line(&row(State::Dead)),
            "evt_1  dead     crm  inbox/a.pdf  attempts 2  no answer in time"
        );
    }
}
