//! What everybody may ask. Answers come from what the stages have published, and change nothing.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
    },
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Serialize;

use super::page;
use crate::{
    clock,
    metrics::{self, Machine},
    stall,
    status::{Moment, NotReady, Status, Stuck},
    vitals::Board,
};

/// GET and HEAD of every public page; anything else is 405 or 404.
pub fn router(board: &Arc<Board>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/status", get(status))
        .route("/metrics", get(metrics))
        .with_state(Arc::clone(board))
}

fn now() -> Moment {
    Moment { mono: clock::mono(), wall: clock::wall() }
}

#[derive(Serialize)]
struct Health {
    healthy: bool,
    stuck: Vec<Stuck>,
}

async fn health(State(board): State<Arc<Board>>) -> Response {
    stall::here("front");
    let now = now();
    let health = board.health(now.mono);
    let stuck = health.stuck.iter().map(|stuck| Stuck::of(stuck, now)).collect();
    json(unless_good(health.is_good()), &Health { healthy: health.is_good(), stuck })
}

#[derive(Serialize)]
struct Ready {
    ready: bool,
    reasons: Vec<NotReady>,
}

async fn ready(State(board): State<Arc<Board>>) -> Response {
    let reasons: Vec<_> = board.not_ready(clock::mono()).into_iter().map(NotReady::of).collect();
    json(unless_good(reasons.is_empty()), &Ready { ready: reasons.is_empty(), reasons })
}

async fn status(State(board): State<Arc<Board>>) -> Response {
    json(StatusCode::OK, &Status::of(&board, now()))
}

async fn metrics(State(board): State<Arc<Board>>) -> Response {
    let text = metrics::text(&board, &Machine::look(), now());
    fresh(StatusCode::OK, metrics::CONTENT_TYPE, text)
}

async fn page(State(board): State<Arc<Board>>) -> Response {
    let text = page::page(&Status::of(&board, now()));
    let policy = [(CONTENT_SECURITY_POLICY, page::security_policy())];
    (policy, fresh(StatusCode::OK, "text/html; charset=utf-8", text)).into_response()
}

fn unless_good(is_good: bool) -> StatusCode {
    if is_good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

fn fresh(status: StatusCode, kind: &'static str, text: String) -> Response {
    let headers =
        [(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-store"), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (status, headers, text).into_response()
}

/// A JSON answer that nobody keeps: the next one is another.
pub fn json(status: StatusCode, document: &impl Serialize) -> Response {
    match serde_json::to_string(document) {
        Ok(text) => fresh(status, "application/json", text + "\n"),
        // A document of ours is text, numbers and lists: this does not happen.
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
