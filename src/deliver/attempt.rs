//! One attempt: a request, and at most one immediate repetition of it.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{open::Terms, request::Request};
use crate::{
    clock,
    http::{self, Bytes, Fault, HeaderMap, Reply},
};

/// What a task of the lane brings back.
#[derive(Debug)]
pub(super) enum Task {
    /// The verdict can be given.
    Attempted(Attempted),
    /// The body of an accepted request has ended.
    Drained(i64),
}

/// Who carries a request to the receiver: the HTTP client, or a test's stand-in.
pub(crate) trait Courier: Clone + Send + Sync + 'static {
    /// Posts once.
    fn post(
        &self,
        headers: HeaderMap,
        body: Bytes,
    ) -> impl Future<Output = Result<Reply, Fault>> + Send;

    /// Posts once, on a new connection.
    fn post_afresh(
        &self,
        headers: HeaderMap,
        body: Bytes,
    ) -> impl Future<Output = Result<Reply, Fault>> + Send;
}

impl Courier for http::Client {
    fn post(
        &self,
        headers: HeaderMap,
        body: Bytes,
    ) -> impl Future<Output = Result<Reply, Fault>> + Send {
        Self::post(self, headers, body)
    }

    fn post_afresh(
        &self,
        headers: HeaderMap,
        body: Bytes,
    ) -> impl Future<Output = Result<Reply, Fault>> + Send {
        Self::post_afresh(self, headers, body)
    }
}

/// How one attempt ended.
#[derive(Debug)]
pub(super) struct Attempted {
    /// Which event.
    pub(super) seq: i64,
    /// What it left with.
    pub(super) terms: Arc<Terms>,
    /// What came back.
    pub(super) result: Result<Reply, Fault>,
    /// How long it took.
    pub(super) duration: Duration,
    /// Whether it was posted twice.
    pub(super) resent: bool,
}

/// A connection lost later than this was not an idle one that the receiver closed as we wrote.
const RESEND_WITHIN: Duration = Duration::from_secs(1);

/// Posts; once more at once when the connection was lost before an answer.
///
/// A server may close an idle connection in the moment of our request (RFC 9112 9.5). That is no failure
/// of the endpoint; the id lets the receiver see a repetition. RFC 9110 9.2.2 forbids a third time.
pub(super) async fn attempt<C: Courier>(
    courier: C,
    seq: i64,
    terms: Arc<Terms>,
    request: Request,
) -> Attempted {
    let Request { headers, body } = request;
    let started: Instant = clock::mono();
    let elapsed = || clock::mono().saturating_duration_since(started);
    let mut result = courier.post(headers.clone(), body.clone()).await;
    let resent = result.as_ref().is_err_and(Fault::is_lost) && elapsed() < RESEND_WITHIN;
    if resent {
        result = courier.post_afresh(headers, body).await;
    }
    Attempted { seq, terms, result, duration: elapsed(), resent }
}
