//! One endpoint on the page.

use maud::{Markup, html};

use super::moment;
use crate::status::{
    Delivery, Endpoint,
    words::{millis, span},
};

/// Deliveries that are seen at once; the rest unfolds.
const SEEN: usize = 5;

pub(super) fn card(endpoint: &Endpoint, now: &str) -> Markup {
    let class = class(endpoint);
    html! {
        article class="card" {
            div class="row" {
                h3 { (endpoint.name) } span class={ "pill " (class) } { (endpoint.state) }
            }
            @if let Some(reason) = &endpoint.reason {
                p class={ "note pad " (class) } {
                    (reason) @if let Some(in_s) = endpoint.in_s { ". Asked again in " (span(in_s)) }
                }
            }
            (numbers(endpoint))
            (failure(endpoint, now))
            (deliveries(endpoint, now))
        }
    }
}

fn class(endpoint: &Endpoint) -> &'static str {
    match endpoint.state.as_str() {
        "running" => "good",
        "starting" | "paused" | "draining" => "warn",
        _ => "bad",
    }
}

fn numbers(endpoint: &Endpoint) -> Markup {
    let dead: u64 = endpoint.dead.values().sum();
    html! {
        dl class="numbers" {
            div { dt { "waiting" } dd { (endpoint.waiting) } }
            @if let Some(oldest_s) = endpoint.oldest_s { div { dt { "oldest" } dd { (span(oldest_s)) } } }
            div { dt { "under way" } dd { (endpoint.in_flight) } }
            div { dt { "delivered" } dd { (endpoint.delivered) } }
            div { dt { "dead letters" } dd class=[(dead > 0).then_some("bad")] { (dead) } }
        }
    }
}

fn failure(endpoint: &Endpoint, now: &str) -> Markup {
    html! {
        @if let Some(failure) = &endpoint.last_failure {
            p class="note soft" {
                "Last failure " (moment(&failure.at, now)) ", "
                span class="path" { (failure.path) }
                @if endpoint.reason.as_deref() != Some(&failure.reason) { ": " (failure.reason) }
            }
        }
    }
}

fn deliveries(endpoint: &Endpoint, now: &str) -> Markup {
    let (seen, rest) = endpoint.recent.split_at(endpoint.recent.len().min(SEEN));
    html! {
        @if !seen.is_empty() {
            ul class="list" { @for delivery in seen { (one(delivery, now)) } }
        }
        @if !rest.is_empty() {
            details {
                summary { (rest.len()) " more deliveries" }
                ul class="list" { @for delivery in rest { (one(delivery, now)) } }
            }
        }
    }
}

fn one(delivery: &Delivery, now: &str) -> Markup {
    html! {
        li {
            div class="path" { (delivery.path) }
            div class="row soft" {
                span {
                    (delivery.watch) " · " (millis(delivery.took_ms))
                    @if delivery.attempt > 1 { " · attempt " (delivery.attempt) }
                }
                (moment(&delivery.at, now))
            }
        }
    }
}
