//! The one HTTP client. Nothing outside this folder names the library.
//!
//! It posts bytes to one URL and says what came back, within limits that a hostile receiver cannot move:
//! no redirect is followed, no answer is decoded, no request is repeated, the environment's proxy is not
//! read, and after the headers at most [`BODY_LEN_MAX`] bytes are read for at most [`BODY_TIME_MAX`].

mod fault;
mod guard;

use std::{
    error::Error,
    fs::File,
    future::Future,
    io::{self, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

pub use bytes::Bytes;
pub use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use self::fault::{BlockedAddress, Step};
pub use self::fault::{Fault, TlsFault};
use crate::config::checked::SecretUrl;

/// The most of an answer's body that is read; then the connection is dropped.
pub const BODY_LEN_MAX: usize = 16 * 1024;
/// The longest that an answer's body is read.
pub const BODY_TIME_MAX: Duration = Duration::from_secs(2);
/// The most of a body that is kept, for the log.
pub const EXCERPT_LEN_MAX: usize = 1024;
/// Servers close idle connections after 5 s or more; a shorter time here makes that race rare.
const POOL_IDLE: Duration = Duration::from_secs(3);
const CA_FILE_LEN_MAX: u64 = 1024 * 1024;
/// Of one header that is kept: longer values, and more of them, mean nothing to us.
const HEADER_LEN_MAX: usize = 1024;
const RETRY_AFTER_LINES_MAX: usize = 8;

/// Chooses the cryptography for the whole process; further calls do nothing. [`Client::open`] calls it,
/// because without it the library panics; whoever else speaks TLS has to do so, too.
pub fn install_provider() {
    // An error means that one is installed already, which is what is wanted.
    rustls::crypto::ring::default_provider().install_default().unwrap_or(());
}

/// What a client is made of.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a> {
    /// Where to post.
    pub url: &'a SecretUrl,
    /// DNS, TCP and TLS together.
    pub connect_timeout: Duration,
    /// From start to the end of the response headers.
    pub timeout: Duration,
    /// Idle connections kept.
    pub connections: usize,
    /// PEM file that replaces the system's roots.
    pub ca_file: Option<&'a Path>,
}

/// Why a client cannot be made; worth another try later, for files come and go.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The CA file cannot be read.
    #[error("cannot read the CA file {path}: {why}")]
    CaFile {
        /// As configured.
        path: PathBuf,
        /// From the system.
        why: io::ErrorKind,
    },
    /// The CA file can be read but is of no use.
    #[error("the CA file {path} holds no valid PEM certificate")]
    NoCertificate {
        /// As configured.
        path: PathBuf,
    },
    /// No roots, so no certificate can be checked.
    #[error(
        "no CA certificates found on this system (usually in /etc/ssl/certs): install them or set ca_file"
    )]
    NoSystemRoots,
    /// The library refuses.
    #[error("the HTTP client cannot be made")]
    Client,
}

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

/// Posts to one URL. Clones share their connections.
#[derive(Clone)]
pub struct Client {
    inner: reqwest::Client,
    url: Arc<reqwest::Url>,
    timeout: Duration,
    blocked: bool,
}

impl Client {
    /// Reads the CA file or, for https only, the system's roots. Blocks while it does.
    pub fn open(settings: Settings<'_>) -> Result<Self, OpenError> {
        install_provider();
        let mut builder = reqwest::Client::builder()
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            .connect_timeout(settings.connect_timeout)
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(settings.connections)
            .dns_resolver(GuardedResolver);
        if let Some(path) = settings.ca_file {
            builder = builder.tls_certs_only(certificates(path)?);
        } else if !settings.url.is_https() {
            builder = builder.tls_certs_only([]);
        }
        let inner = builder.build().map_err(|_| match settings.ca_file {
            Some(path) => OpenError::NoCertificate { path: path.to_owned() },
            None if settings.url.is_https() => OpenError::NoSystemRoots,
            None => OpenError::Client,
        })?;
        Ok(Self {
            inner,
            url: Arc::new(settings.url.expose().clone()),
            timeout: settings.timeout,
            // The resolver is not asked about an address written as such.
            blocked: settings.url.literal().is_some_and(guard::is_blocked),
        })
    }

    /// Posts `body` once.
    pub async fn post(&self, headers: HeaderMap, body: Bytes) -> Result<Reply, Fault> {
        if self.blocked {
            return Err(Fault::Blocked);
        }
        let mut request = reqwest::Request::new(reqwest::Method::POST, (*self.url).clone());
        *request.headers_mut() = headers;
        *request.body_mut() = Some(body.into());
        match tokio::time::timeout(self.timeout, self.inner.execute(request)).await {
            Ok(Ok(response)) => Ok(Reply::read(response).await),
            Ok(Err(error)) => Err(fault_of(&error)),
            Err(_elapsed) => Err(Fault::Timeout),
        }
    }
}

fn fault_of(error: &reqwest::Error) -> Fault {
    let step = Step {
        connecting: error.is_connect(),
        resolving: error.is_dns(),
        timeout: error.is_timeout(),
    };
    Fault::of(error, step)
}

fn certificates(path: &Path) -> Result<Vec<reqwest::Certificate>, OpenError> {
    let unreadable = |e: io::Error| OpenError::CaFile { path: path.to_owned(), why: e.kind() };
    let mut pem = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(CA_FILE_LEN_MAX).read_to_end(&mut pem).map_err(unreadable)?;
    match reqwest::Certificate::from_pem_bundle(&pem) {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(OpenError::NoCertificate { path: path.to_owned() }),
    }
}

impl Reply {
    async fn read(response: reqwest::Response) -> Self {
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

    fn head(response: &reqwest::Response) -> Self {
        let headers = response.headers();
        let kept = |value: &HeaderValue| {
            value.as_bytes().get(..value.len().min(HEADER_LEN_MAX)).unwrap_or_default().to_vec()
        };
        let lines = headers.get_all(reqwest::header::RETRY_AFTER);
        Self {
            status: response.status().as_u16(),
            retry_after: lines.iter().take(RETRY_AFTER_LINES_MAX).map(kept).collect(),
            date: headers.get(reqwest::header::DATE).map(kept),
            location: headers.get(reqwest::header::LOCATION).map(kept),
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
async fn read_body(mut response: reqwest::Response, kept: &mut Vec<u8>) {
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

/// The system's resolver, without the addresses that are never asked.
struct GuardedResolver;

impl reqwest::dns::Resolve for GuardedResolver {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> = found.filter(|a| !guard::is_blocked(a.ip())).collect();
            if allowed.is_empty() {
                return Err(Box::new(BlockedAddress) as Box<dyn Error + Send + Sync>);
            }
            Ok(Box::new(allowed.into_iter()) as reqwest::dns::Addrs)
        })
    }
}

#[cfg(test)]
mod tests;
