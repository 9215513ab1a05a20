//! The other end of the control socket: what the commands ask with.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{net::UnixStream, runtime::Runtime, time::timeout};

use super::Refused;

/// How long an answer may take: longer than the daemon gives itself.
const ANSWER_LIMIT: Duration = Duration::from_secs(40);

/// The longest answer: a page of the longest paths that there are.
const ANSWER_BYTES_MAX: usize = 32 << 20;

/// Asks the daemon at one socket.
pub struct Client {
    socket: PathBuf,
    runtime: Runtime,
}

/// Why there is no answer. Sorted by what the caller does next.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// Nobody listens: the daemon does not run. A copy of the journal can be read.
    #[error("the daemon is not running: nobody listens at {}", .0.display())]
    Down(PathBuf),
    /// Only root and the daemon's own user may ask.
    #[error("{} refuses this user: run this as root, or as the daemon's user", .0.display())]
    Forbidden(PathBuf),
    /// The daemon says no.
    #[error("the daemon says: {0}")]
    Refused(String),
    /// The daemon does not answer as it should.
    #[error("the daemon at {} does not answer: {why}", .socket.display())]
    Broken {
        /// Where it was asked.
        socket: PathBuf,
        /// What happened.
        why: String,
    },
}

impl Client {
    /// For the daemon that listens at `socket`, or at what that is a link to. Asks nothing yet.
    pub fn new(socket: &Path) -> io::Result<Self> {
        let socket = std::fs::read_link(socket).unwrap_or_else(|_| socket.to_path_buf());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { socket, runtime })
    }

    /// Asks with GET.
    pub fn get<A: DeserializeOwned>(&self, path: &str) -> Result<A, NoAnswer> {
        self.ask(Request::get(path), Body::empty())
    }

    /// Asks with POST.
    pub fn post<A: DeserializeOwned>(
        &self,
        path: &str,
        question: &impl Serialize,
    ) -> Result<A, NoAnswer> {
        let body = serde_json::to_vec(question).map_err(|why| self.broken(&why))?;
        self.ask(Request::post(path).header("content-type", "application/json"), body.into())
    }

    fn ask<A: DeserializeOwned>(
        &self,
        request: axum::http::request::Builder,
        body: Body,
    ) -> Result<A, NoAnswer> {
        let request =
            request.header("host", "watchd").body(body).map_err(|why| self.broken(&why))?;
        let asking = async { timeout(ANSWER_LIMIT, self.exchange(request)).await };
        let late = |_| self.broken(&format!("nothing within {} s", ANSWER_LIMIT.as_secs()));
        let (status, bytes) = self.runtime.block_on(asking).map_err(late)??;
        if status == StatusCode::OK {
            return serde_json::from_slice(&bytes).map_err(|why| self.broken(&why));
        }
        Err(match serde_json::from_slice(&bytes) {
            Ok(Refused { error }) => NoAnswer::Refused(error),
            Err(_) => self.broken(&status),
        })
    }

    async fn exchange(
        &self,
        request: Request<Body>,
    ) -> Result<(StatusCode, axum::body::Bytes), NoAnswer> {
        let stream = UnixStream::connect(&self.socket).await.map_err(|why| self.no_way(&why))?;
        let connecting = http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = connecting.map_err(|why| self.broken(&why))?;
        let answering = async {
            let answer = sender.send_request(request).await.map_err(|why| self.broken(&why))?;
            let (status, body) = (answer.status(), Body::new(answer.into_body()));
            let bytes = axum::body::to_bytes(body, ANSWER_BYTES_MAX).await;
            Ok((status, bytes.map_err(|why| self.broken(&why))?))
        };
        let mut answering = std::pin::pin!(answering);
        tokio::select! {
            answer = &mut answering => answer,
            // The last bytes may be there although the connection is over.
            _ended = connection => answering.await,
        }
    }

    fn no_way(&self, error: &io::Error) -> NoAnswer {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                NoAnswer::Down(self.socket.clone())
            }
            io::ErrorKind::PermissionDenied => NoAnswer::Forbidden(self.socket.clone()),
            _ => self.broken(error),
        }
    }

    fn broken(&self, why: &impl ToString) -> NoAnswer {
        NoAnswer::Broken { socket: self.socket.clone(), why: why.to_string() }
    }
}
