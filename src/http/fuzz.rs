//! A receiver made of bytes: hyper, as the client has it, reads them from memory, and everything above it is
//! the product's. A test holds that a socket brings the same.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use hyper::{client::conn::http1, rt};
use tokio::runtime::{Builder, Runtime};

use super::{
    Bytes, Fault, Reply,
    fault::{Phase, Step},
};

/// How a receiver hands out its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// So many at a time.
    pub(crate) piece: usize,
    /// After the last one the end of them begins anew, for as long as anybody listens.
    pub(crate) is_endless: bool,
}

/// What came of them.
#[derive(Debug)]
pub(crate) struct Read {
    /// As the lane is told.
    pub(crate) result: Result<Reply, Fault>,
    /// Bytes taken from the connection.
    pub(crate) taken: usize,
}

/// Asks a receiver that answers with these bytes and closes.
pub(crate) fn ask(bytes: &[u8], manner: Manner) -> Read {
    thread_local! {
        static RUNTIME: RefCell<Option<Runtime>> = const { RefCell::new(None) };
    }
    let taken = Arc::new(AtomicUsize::new(0));
    let wire = Wire { bytes: bytes.to_vec(), manner, taken: Arc::clone(&taken), ..Wire::default() };
    let result = RUNTIME.with_borrow_mut(|kept| {
        let made = || Builder::new_current_thread().enable_time().build().ok();
        *kept = kept.take().or_else(made);
        kept.as_ref().map(|runtime| runtime.block_on(answer(wire)))
    });
    let result = result.unwrap_or(Err(Fault::Other));
    Read { result, taken: taken.load(Ordering::Relaxed) }
}

async fn answer(wire: Wire) -> Result<Reply, Fault> {
    let step = Step { phase: Phase::Asking, timeout: false, proxied: false };
    let fault = |error: hyper::Error| Fault::of(&error, step);
    let (mut sender, connection) = http1::handshake(wire).await.map_err(fault)?;
    let carried = tokio::spawn(connection);
    let request = hyper::Request::post("/").body(reqwest::Body::from(Bytes::from_static(b"{}")));
    let Ok(request) = request else { return Err(Fault::Other) };
    let result = match sender.send_request(request).await {
        Ok(response) => {
            let mut reply = Reply::read(response.map(reqwest::Body::wrap).into()).await;
            if let Some(rest) = reply.rest.take() {
                rest.await;
            }
            Ok(reply)
        }
        Err(error) => Err(fault(error)),
    };
    carried.abort();
    result
}

/// The other end of a connection.
#[derive(Default)]
struct Wire {
    bytes: Vec<u8>,
    at: usize,
    manner: Manner,
    is_asked: bool,
    listener: Option<Waker>,
    taken: Arc<AtomicUsize>,
}

impl Default for Manner {
    fn default() -> Self {
        Self { piece: usize::MAX, is_endless: false }
    }
}

/// The part that an endless receiver repeats.
const REFRAIN: usize = 64;

impl rt::Read for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut into: rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.is_asked {
            // No receiver answers before it is asked.
            self.listener = Some(context.waker().clone());
            return Poll::Pending;
        }
        if self.at == self.bytes.len() && self.manner.is_endless {
            self.at = self.bytes.len().saturating_sub(REFRAIN);
        }
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let len = rest.len().min(self.manner.piece).min(into.remaining());
        into.put_slice(rest.get(..len).unwrap_or_default());
        self.taken.fetch_add(len, Ordering::Relaxed);
        self.at += len;
        Poll::Ready(Ok(()))
    }
}

impl rt::Write for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        request: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.is_asked = true;
        if let Some(listener) = self.listener.take() {
            listener.wake();
        }
        Poll::Ready(Ok(request.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
