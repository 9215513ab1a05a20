//! One watch on the page.

use maud::{Markup, html};

use super::count;
use crate::status::{
    File, Watch, Why,
    words::{size, span},
};

pub(super) fn card(watch: &Watch) -> Markup {
    let class = match watch.state.as_str() {
        "watching" => "good",
        "starting" => "warn",
        _ => "bad",
    };
    html! {
        article class="card" {
            div class="row" { h3 { (watch.name) } span class={ "pill " (class) } { (watch.state) } }
            p class="path soft" { (watch.path) }
            @if let Some(reason) = &watch.reason {
                p class={ "note pad " (class) } {
                    (reason) @if let Some(for_s) = watch.for_s { ", for " (span(for_s)) }
                }
            }
            (numbers(watch))
            @if !watch.waiting.files.is_empty() || watch.waiting.more > 0 {
                ul class="list" {
                    @for file in &watch.waiting.files { (waiting(file)) }
                    @if watch.waiting.more > 0 { li class="soft" { "and " (count(watch.waiting.more, "file")) " more" } }
                }
            }
            p class="soft note" { (looks(watch)) }
        }
    }
}

fn numbers(watch: &Watch) -> Markup {
    let waits = &watch.waiting;
    html! {
        dl class="numbers" {
            div { dt { "settling" } dd { (waits.changed) } }
            div { dt { "being written" } dd { (waits.open_for_writing) } }
            @if waits.no_room > 0 { div { dt { "no room" } dd class="bad" { (waits.no_room) } } }
            div { dt { "landed" } dd { (watch.recorded) } }
        }
    }
}

fn waiting(file: &File) -> Markup {
    let class = match file.why {
        Why::NoRoom | Why::Unclear => "pill bad",
        Why::OpenForWriting | Why::NoMarker => "pill warn",
        Why::Changed => "soft",
    };
    html! {
        li {
            div class="path" { (file.path) }
            div class="row soft" {
                span class=(class) { (file.reason()) }
                span { @if let Some(bytes) = file.size { (size(bytes)) ", " } "here for " (span(file.since_s)) }
            }
        }
    }
}

/// How it is looked at, in one line.
fn looks(watch: &Watch) -> Markup {
    html! {
        @if let Some(scan) = &watch.last_scan {
            @if watch.backend == "events" { (watch.directories) @if watch.directories == 1 { " directory" } @else { " directories" } " by kernel events" }
            @else { "by scanning" }
            " on " (watch.filesystem) " · scanned " (span(scan.ago_s)) " ago in " (scan.took_ms) " ms"
            @if watch.polled_directories > 0 && watch.backend == "events" { " · " (watch.polled_directories) " scanned instead" }
            @if watch.unreadable_directories > 0 { " · " (watch.unreadable_directories) " cannot be read" }
            @if watch.overflows > 0 { " · " (count(watch.overflows, "overflow")) }
            @if scan.ignored > 0 { " · " (scan.ignored) " ignored by size" }
            @if watch.unasked > 0 { " · " (watch.unasked) " settled without a word about writers" }
        } @else { "the first scan has not ended yet" }
    }
}
