//! `/`: the state of the daemon for a person, on a phone as on a desk. Rendered from [`Status`]; needs no
//! script and nothing from elsewhere. Whatever comes from outside is escaped by the template.

mod endpoint;
mod watch;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use crate::status::{Status, Stuck, words::span};

const STYLE: &str = include_str!("style.css");

/// How often a browser asks again, in seconds.
const REFRESH_S: u32 = 10;

/// Nothing may be loaded, run or framed; the one style sheet is known by its hash.
pub(super) fn security_policy() -> String {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; img-src data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'"
    )
}

/// The whole page.
pub(super) fn page(status: &Status) -> String {
    let content = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                meta http-equiv="refresh" content=(REFRESH_S);
                title { (title(status)) }
                link rel="icon" href="data:,";
                style { (PreEscaped(STYLE)) }
            }
            body {
                (head(status))
                (troubles(status))
                main class="columns" {
                    section { h2 { "Watched" } @for watch in &status.watches { (watch::card(watch)) } }
                    section {
                        h2 { "Announced to" }
                        @for endpoint in &status.endpoints { (endpoint::card(endpoint, &status.at)) }
                        h2 { "This daemon" }
                        (facts(status))
                    }
                }
                footer class="soft" {
                    "As of " (moment(&status.at, "")) ". Asks again every " (REFRESH_S) " s. "
                    a href="status" { "JSON" } " · " a href="metrics" { "metrics" }
                }
            }
        }
    };
    content.into_string()
}

/// In a row of tabs the beginning is all that is seen.
fn title(status: &Status) -> String {
    let word = verdict(status).0;
    format!("{word} · {} · watchd", status.host)
}

/// In one word, and how it looks.
fn verdict(status: &Status) -> (&'static str, &'static str) {
    match (status.healthy, status.ready) {
        (false, _) => ("Stuck", "bad"),
        (true, false) => ("Needs attention", "warn"),
        (true, true) => ("All well", "good"),
    }
}

fn head(status: &Status) -> Markup {
    let (word, class) = verdict(status);
    let waiting: u64 = status.watches.iter().map(|watch| watch.waiting.all()).sum();
    let dead = status.journal.dead;
    html! {
        header {
            div class="row" { h1 { (status.host) } span class={ "pill " (class) } { (word) } }
            p class="soft" {
                (count(waiting, "file")) " waiting to settle · "
                (count(status.journal.waiting, "event")) " to deliver · "
                (count(dead, "dead letter"))
            }
        }
    }
}

fn troubles(status: &Status) -> Markup {
    let class = verdict(status).1;
    html! {
        @if !status.not_ready.is_empty() || !status.stuck.is_empty() {
            ul class={ "alert " (class) } {
                @for Stuck { stage, for_s, .. } in &status.stuck {
                    li { b { (stage) } " makes no progress for " (span(*for_s)) }
                }
                @for reason in &status.not_ready {
                    @if status.stuck.iter().all(|stuck| stuck.stage != reason.what) {
                        li { b { (reason.what) } ": " (reason.reason) }
                    }
                }
            }
        }
    }
}

fn facts(status: &Status) -> Markup {
    let journal = &status.journal;
    html! {
        div class="card" {
            dl class="facts" {
                dt { "Running" } dd { (span(status.uptime_s)) ", since " (moment(&status.started, &status.at)) }
                @if let Some(starts) = &status.starts {
                    dt { "Starts" }
                    dd {
                        (starts.count)
                        @if starts.after_crash > 0 { ", " (starts.after_crash) " after a crash" }
                        @if starts.this_after_crash { " (this one, too)" }
                    }
                }
                dt { "Journal" }
                dd {
                    @match &journal.reason {
                        Some(reason) => { span class="pill warn" { "cannot be used" } " " (reason) }
                        None if journal.usable => { (count(journal.commits, "commit")) }
                        None => "being opened",
                    }
                }
                @for parked in &journal.parked {
                    dt { "Kept for " (parked.endpoint) }
                    dd { (count(parked.waiting, "event")) ", " (count(parked.dead, "dead letter")) "; it is not configured" }
                }
                @if let Some(reload) = &status.reload {
                    dt { "Configuration" }
                    dd { (reload.message) ", " (moment(&reload.at, &status.at)) }
                }
                dt { "Version" } dd { (status.version) ", process " (status.pid) }
                @if let Some(instance) = &status.instance {
                    dt { "Instance" } dd class="path" { (instance) }
                }
            }
        }
    }
}

/// `1 file`, `2 files`.
fn count(number: u64, word: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {word}{plural}")
}

/// A time of day, with the day where that is not the one of `today`.
fn moment(at: &str, today: &str) -> Markup {
    let (day, time) = at.split_once('T').unwrap_or(("", at));
    let time = time.split('.').next().unwrap_or(time);
    let is_today = today.split_once('T').is_some_and(|(today, _)| today == day);
    html! { time datetime=(at) { @if !is_today { (day) " " } (time) " UTC" } }
}

#[cfg(test)]
mod tests;
