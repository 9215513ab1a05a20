//! The connections of one listener, and how nobody keeps the others out.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, Request},
    http::{HeaderValue, Response, StatusCode, header::CONNECTION},
    response::IntoResponse as _,
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    sync::watch,
    task::{AbortHandle, Id, JoinSet},
    time::timeout,
};

use super::listener::Stream;
use crate::clock;

/// Connections at once. Beyond that, the one that has been idle for longest is closed for each that comes.
const CONNECTIONS_MAX: usize = 64;

/// How long a request head may take, and how long a connection is kept without one.
const HEAD_LIMIT: Duration = Duration::from_secs(15);

/// The longest request head, in bytes.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// The longest request body, in bytes. Nothing that is public reads one.
const BODY_BYTES_MAX: usize = 64 << 10;

/// A connection without a new request for so long is closed, whoever does not read its answer.
const STALL_LIMIT: Duration = Duration::from_mins(1);

/// All connections of one listener.
pub(super) struct Connections {
    router: Router,
    answer_within: Duration,
    closing: watch::Receiver<bool>,
    tasks: JoinSet<()>,
    open: HashMap<Id, (AbortHandle, Arc<Use>)>,
}

/// What a connection does.
struct Use(Mutex<Doing>);

#[derive(Clone, Copy)]
struct Doing {
    asked: bool,
    since: Instant,
    /// Nothing has ever been asked.
    fresh: bool,
}

impl Use {
    fn new() -> Self {
        Self(Mutex::new(Doing { asked: false, since: clock::mono(), fresh: true }))
    }

    fn set(&self, asked: bool) {
        let since = clock::mono();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
            Doing { asked, since, fresh: false };
    }

    fn now(&self) -> Doing {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connections {
    /// None yet. Once `closing` says so, each ends with the answer that is asked for.
    pub(super) fn new(
        router: Router,
        answer_within: Duration,
        closing: watch::Receiver<bool>,
    ) -> Self {
        let router = router.layer(DefaultBodyLimit::max(BODY_BYTES_MAX));
        Self { router, answer_within, closing, tasks: JoinSet::new(), open: HashMap::new() }
    }

    /// Answers on `stream` until it ends.
    pub(super) fn add(&mut self, stream: Stream) {
        if self.open.len() >= CONNECTIONS_MAX {
            self.make_room();
        }
        let used = Arc::new(Use::new());
        let closing = self.closing.clone();
        let answer =
            serve(stream, self.router.clone(), self.answer_within, Arc::clone(&used), closing);
        let handle = self.tasks.spawn(answer);
        self.open.insert(handle.id(), (handle, used));
    }

    /// Closes the connection that has been idle for longest; if none is, the one that was asked first.
    pub(super) fn make_room(&mut self) {
        let age = |used: &Use| {
            let Doing { asked, since, .. } = used.now();
            (asked, since)
        };
        let oldest = self.open.iter().min_by_key(|(_, (_, used))| age(used)).map(|(id, _)| *id);
        if let Some((handle, _)) = oldest.and_then(|id| self.open.remove(&id)) {
            handle.abort();
        }
    }

    /// Whether one more closes none of the others.
    pub(super) fn have_room(&self) -> bool {
        self.open.len() < CONNECTIONS_MAX
    }

    /// Waits until there is none.
    pub(super) async fn all_ended(&mut self) {
        while !self.tasks.is_empty() {
            self.ended().await;
        }
    }

    /// Waits until a connection has ended, and forgets it.
    pub(super) async fn ended(&mut self) {
        match self.tasks.join_next_with_id().await {
            Some(Ok((id, ()))) => drop(self.open.remove(&id)),
            Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Some(Err(error)) => drop(self.open.remove(&error.id())),
            None => std::future::pending().await,
        }
    }
}

async fn serve(
    stream: Stream,
    router: Router,
    answer_within: Duration,
    used: Arc<Use>,
    mut closing: watch::Receiver<bool>,
) {
    let (answers, closes) = (TowerToHyperService::new(router), closing.clone());
    let service = service_fn(|request: Request<Incoming>| {
        let answer = hyper::service::Service::call(&answers, request);
        used.set(true);
        let (used, closing) = (Arc::clone(&used), closes.clone());
        async move {
            let answer = timeout(answer_within, answer).await;
            used.set(false);
            let mut answer = match answer {
                Ok(answered) => answered?,
                Err(_) => too_slow(),
            };
            if *closing.borrow() {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(answer)
        }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD_LIMIT).max_buf_size(HEAD_BYTES_MAX);
    let connection = server.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let mut told = false;
    loop {
        tokio::select! {
            // What goes wrong with one connection concerns its client, who sees it.
            ended = timeout(STALL_LIMIT, &mut connection) => {
                let Doing { asked, since, .. } = used.now();
                let stalls = clock::mono().saturating_duration_since(since) >= STALL_LIMIT;
                if ended.is_ok() || (!asked && stalls) {
                    return;
                }
            }
            Ok(_) = closing.wait_for(|closing| *closing), if !told => {
                // One that waits for another request ends here. Of one that is new the first may be on its
                // way: that would be cut, too.
                if !used.now().fresh {
                    connection.as_mut().graceful_shutdown();
                }
                told = true;
            }
        }
    }
}

fn too_slow() -> Response<Body> {
    StatusCode::SERVICE_UNAVAILABLE.into_response()
}
