//! The demo's receiver: checks each signature as a receiver should, and is "restarting" once.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::SyncSender,
    },
    thread,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use super::story::{Happening, SWIFT};

/// Serves on a free port of the loopback interface; gives the URL.
pub(super) fn start(key: [u8; 32], tell: SyncSender<Happening>) -> io::Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0)))?;
    // A Ctrl-C goes to the daemon as well: the demo goes on until that one has ended.
    let mut interrupts = runtime.block_on(async { signal(SignalKind::interrupt()) })?;
    let url = format!("http://{}/hook", listener.local_addr()?);
    let shared = Arc::new(Shared { key, tell, was_busy: AtomicBool::new(false) });
    let app = Router::new().route("/hook", post(receive)).with_state(shared);
    thread::Builder::new().name("receiver".into()).spawn(move || {
        // Ends with the process.
        let _ended = runtime.block_on(async move {
            tokio::spawn(async move { while interrupts.recv().await.is_some() {} });
            axum::serve(listener, app).await
        });
    })?;
    Ok(url)
}

struct Shared {
    key: [u8; 32],
    tell: SyncSender<Happening>,
    was_busy: AtomicBool,
}

async fn receive(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let signed = is_signed(&shared.key, &headers, &body);
    let parsed: Value = serde_json::from_slice(&body).unwrap_or_default();
    let field = |name: &str| parsed.pointer(&format!("/data/{name}"));
    let name = field("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let busy = name == SWIFT && !shared.was_busy.swap(true, Ordering::Relaxed);
    let status = match (signed, busy) {
        (false, _) => StatusCode::UNAUTHORIZED,
        (true, true) => StatusCode::SERVICE_UNAVAILABLE,
        (true, false) => StatusCode::NO_CONTENT,
    };
    let size = field("size").and_then(Value::as_u64).unwrap_or_default();
    let answered = Happening::Answered { name, size, status: status.as_u16(), signed };
    // A full channel would block the runtime; the story is short.
    let _full = shared.tell.try_send(answered);
    status
}

/// Standard Webhooks: HMAC-SHA256 over id, timestamp and body, joined by dots; any of the signatures counts.
fn is_signed(key: &[u8], headers: &HeaderMap, body: &[u8]) -> bool {
    let header = |name: &str| headers.get(name).map_or(&b""[..], |value| value.as_bytes());
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return false };
    for part in [header("webhook-id"), b".", header("webhook-timestamp"), b".", body] {
        mac.update(part);
    }
    header("webhook-signature").split(|b| *b == b' ').any(|signature| {
        let raw = signature.strip_prefix(b"v1,").and_then(|text| STANDARD.decode(text).ok());
        raw.is_some_and(|raw| mac.clone().verify_slice(&raw).is_ok())
    })
}
