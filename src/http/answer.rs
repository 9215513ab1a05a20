//! What a receiver answered, read within limits that it cannot move.

use std::{future::Future, pin::Pin, time::Duration};

use reqwest::{
    Response,
    header::{DATE, HeaderValue, LOCATION, RETRY_AFTER},
};

/// The most of an answer's body that is read; then the connection is dropped.
pub const BODY_LEN_MAX: usize = 16 * 1024;
/// The longest that an answer's body is read.
pub const BODY_TIME_MAX: Duration = Duration::from_secs(2);
/// The most of a body that is kept, for the log.
pub const EXCERPT_LEN_MAX: usize = 1024;
/// Of one header that is kept: longer values, and more of them, mean nothing to us.
pub(super) const HEADER_LEN_MAX: usize = 1024;
pub(super) const RETRY_AFTER_LINES_MAX: usize = 8;

/// What a receiver answered. The headers are complete; the body may still be on its way.
#[derive(Default)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// Each `Retry-After` line.
    pub retry_after: Vec<Vec<u8>>,
    /// The `Date` header.
    pub date: Option<Vec<u8>>,
    /// The `Location` header.
    pub location: Option<Vec<u8>>,
    /// The beginning of the body, unless the status is 2xx.
    pub excerpt: Vec<u8>,
    /// The rest of a 2xx body, when it did not come with the headers: await it to use the connection
    /// again, or drop it to close it. It ends by itself, by the limits above.
    pub rest: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Reply {
    pub(super) async fn read(response: Response) -> Self {
        let mut reply = Self::head(&response);
        let success = response.status().is_success();
        if success {
            let mut rest: Pin<Box<dyn Future<Output = ()> + Send>> =
                Box::pin(async { read_body(response, &mut Vec::new()).await });
            // Nearly always the body came along with the headers. If not, the verdict does not wait.
            reply.rest = poll_once(&mut rest).await.is_none().then_some(rest);
        } else {
            read_body(response, &mut reply.excerpt).await;
        }
        reply
    }

    fn head(response: &Response) -> Self {
        let headers = response.headers();
        let kept = |value: &HeaderValue| {
            value.as_bytes().get(..value.len().min(HEADER_LEN_MAX)).unwrap_or_default().to_vec()
        };
        let lines = headers.get_all(RETRY_AFTER);
        Self {
            status: response.status().as_u16(),
            retry_after: lines.iter().take(RETRY_AFTER_LINES_MAX).map(kept).collect(),
            date: headers.get(DATE).map(kept),
            location: headers.get(LOCATION).map(kept),
            ..Self::default()
        }
    }
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reply({})", self.status)
    }
}

/// Reads on while the limit allows and keeps the beginning. A fault ends it, and means nothing: the
/// status has been said. Unless the body ended, dropping `response` closes the connection.
async fn read_body(mut response: Response, kept: &mut Vec<u8>) {
    let reading = async {
        let mut total = 0;
        while total < BODY_LEN_MAX {
            let Ok(Some(chunk)) = response.chunk().await else { break };
            total += chunk.len();
            let room = EXCERPT_LEN_MAX.saturating_sub(kept.len());
            kept.extend_from_slice(chunk.get(..chunk.len().min(room)).unwrap_or_default());
        }
    };
    // Out of time is as good an end as any other.
    tokio::time::timeout(BODY_TIME_MAX, reading).await.unwrap_or(());
}

/// Polls once; `None` when not ready.
async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    std::future::poll_fn(|context| match Pin::new(&mut *future).poll(context) {
        std::task::Poll::Ready(output) => std::task::Poll::Ready(Some(output)),
        std::task::Poll::Pending => std::task::Poll::Ready(None),
    })
    .await
}
