//! What the control socket answers beside everything that is public.

use std::{path::PathBuf, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use tracing::info;

use super::{Ask, Listed, Refused, Resumed, Shown, Treated, TreatedRow};
use crate::{
    arrival::{Name, Unavailable},
    config::checked::Address,
    front::{self, Peer, Place as At, Service},
    journal::{
        Desk, Remedied, Remedy,
        look::{PAGE_MAX, Place},
    },
    vitals::Board,
};

/// Whole events on one page.
const SHOWN_MAX: usize = 20;

/// How long the journal may take for one page.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// The control socket at `path`.
pub(super) fn service(path: PathBuf, desk: Desk, board: &Arc<Board>) -> Service {
    Service {
        part: "control",
        place: At::Own { at: Address::Unix(path), mode: 0o600 },
        router: router(desk).merge(front::router(board)),
        answer_within: ANSWER_WITHIN,
        admits,
    }
}

/// Root and our own user. The mode of the socket and of its directory keep others out before.
fn admits(peer: Peer) -> bool {
    let own = rustix::process::geteuid().as_raw();
    matches!(peer, Peer::Unix { uid: Some(uid) } if uid == 0 || uid == own)
}

fn router(desk: Desk) -> Router {
    Router::new()
        .route("/events/list", post(list))
        .route("/events/show", post(show))
        .route("/events/retry", post(retry))
        .route("/events/discard", post(discard))
        .route("/endpoints/{name}/resume", post(resume))
        .with_state(desk)
}

/// An answer, or why there is none.
type Answer = Result<Response, No>;

/// Why there is no answer.
struct No {
    status: StatusCode,
    error: String,
}

impl No {
    fn of(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, error: error.into() }
    }
}

impl IntoResponse for No {
    fn into_response(self) -> Response {
        front::json(self.status, &Refused { error: self.error })
    }
}

async fn list(State(desk): State<Desk>, body: Bytes) -> Answer {
    let Ask { filter, after, limit } = read(&body)?;
    let limit = limit.unwrap_or(PAGE_MAX);
    let page = desk.list(filter, after.unwrap_or(Place::START), limit).await.map_err(unusable)?;
    let events = page.events.into_iter().map(|(_, row)| row).collect();
    Ok(front::json(StatusCode::OK, &Listed { events, next: page.next }))
}

async fn show(State(desk): State<Desk>, body: Bytes) -> Answer {
    let Ask { filter, after, limit } = read(&body)?;
    let limit = limit.unwrap_or(SHOWN_MAX).min(SHOWN_MAX);
    let page = desk.list(filter, after.unwrap_or(Place::START), limit).await.map_err(unusable)?;
    let mut places: Vec<Place> = page.events.into_iter().map(|(place, _)| place).collect();
    places.dedup_by(|later, earlier| later.is_of_same_event(*earlier));
    let mut events = Vec::new();
    for place in places {
        events.extend(desk.show(place).await.map_err(unusable)?);
    }
    Ok(front::json(StatusCode::OK, &Shown { events, next: page.next }))
}

async fn retry(State(desk): State<Desk>, body: Bytes) -> Answer {
    treat(&desk, Remedy::Retry, &body).await
}

async fn discard(State(desk): State<Desk>, body: Bytes) -> Answer {
    treat(&desk, Remedy::Discard, &body).await
}

async fn treat(desk: &Desk, remedy: Remedy, body: &[u8]) -> Answer {
    let Ask { filter, after, .. } = read(body)?;
    if filter.is_empty() {
        return Err(No::of(StatusCode::BAD_REQUEST, "which events? a filter is needed"));
    }
    let after = after.unwrap_or(Place::START);
    let treated = desk.treat(remedy, filter, after).await.map_err(unusable)?;
    let mut events = Vec::with_capacity(treated.events.len());
    for (row, outcome) in treated.events {
        if outcome == Remedied::Done {
            let (event, endpoint) = (&row.event, &row.endpoint);
            let state = row.state.name();
            info!(event, endpoint, state, ?remedy, "an operator treated an event");
        }
        events.push(TreatedRow { outcome, row });
    }
    Ok(front::json(StatusCode::OK, &Treated { events, next: treated.next }))
}

async fn resume(State(desk): State<Desk>, Path(name): Path<String>) -> Answer {
    let unknown = || No::of(StatusCode::NOT_FOUND, "there is no endpoint of this name");
    let name = Name::parse(&name).ok_or_else(unknown)?;
    let resumed = desk.resume(name.clone()).await.map_err(unusable)?;
    let was_parked = resumed.ok_or_else(unknown)?;
    info!(endpoint = %name, was_parked, "an operator resumed an endpoint");
    Ok(front::json(StatusCode::OK, &Resumed { was_parked }))
}

fn read(body: &[u8]) -> Result<Ask, No> {
    let bad =
        |why: serde_json::Error| No::of(StatusCode::BAD_REQUEST, format!("not a question: {why}"));
    serde_json::from_slice(body).map_err(bad)
}

fn unusable(Unavailable: Unavailable) -> No {
    let error = "the journal cannot be used now; the log and `watchd status` say why";
    No::of(StatusCode::SERVICE_UNAVAILABLE, error)
}
