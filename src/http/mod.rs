//! The one HTTP client. Nothing outside this folder names the library.
//!
//! It posts bytes to one URL and says what came back, within limits that a hostile receiver cannot move:
//! no redirect is followed, no answer is decoded, no request is repeated, the environment's proxy is not
//! read, and after the headers at most [`BODY_LEN_MAX`] bytes are read for at most [`BODY_TIME_MAX`].

mod answer;
mod certificate;
mod dial;
mod fault;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod guard;
mod proxy;
mod status_line;
mod tls;
mod walk;

use std::{path::Path, sync::Arc, time::Duration};

pub use bytes::Bytes;
use ipnet::IpNet;
use reqwest::Url;
pub use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

pub use self::{
    answer::{BODY_LEN_MAX, BODY_TIME_MAX, EXCERPT_LEN_MAX, Reply},
    fault::{Fault, ProxyFault, TlsFault},
    guard::Barred,
    status_line::status_of,
    tls::{BadFile, OpenError, check_identity, check_roots, install_provider},
    walk::{Leg, Step, Walk},
};
use self::{
    dial::{Dialer, Gate, LookUp, System},
    fault::Phase,
    guard::Guard,
    tls::Identity,
    walk::Walker,
};
use crate::config::checked::SecretUrl;

/// Servers close idle connections after 5 s or more; a shorter time here makes that race rare.
const POOL_IDLE: Duration = Duration::from_secs(3);

/// What a client is made of.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a> {
    /// Where to post.
    pub url: &'a SecretUrl,
    /// DNS, TCP and TLS together, and the way through a proxy.
    pub connect_timeout: Duration,
    /// From start to the end of the response headers.
    pub timeout: Duration,
    /// Idle connections kept.
    pub connections: usize,
    /// PEM file that replaces the system's roots.
    pub ca_file: Option<&'a Path>,
    /// PEM files with a client certificate and its key.
    pub identity: Option<(&'a Path, &'a Path)>,
    /// Every connection goes through it. The guard then sees its address, and no other.
    pub proxy: Option<&'a Url>,
    /// Only public addresses are connected to.
    pub deny_private: bool,
    /// Networks that are connected to in spite of the guard.
    pub allow: &'a [IpNet],
}

impl<'a> Settings<'a> {
    /// Straight to `url`, on one connection, checked against the system's roots, all within `timeout`.
    pub fn direct(url: &'a SecretUrl, timeout: Duration) -> Self {
        Self {
            url,
            connect_timeout: timeout,
            timeout,
            connections: 1,
            ca_file: None,
            identity: None,
            proxy: None,
            deny_private: false,
            allow: &[],
        }
    }
}

/// Posts to one URL. Clones share their connections.
#[derive(Clone)]
pub struct Client {
    kept: reqwest::Client,
    /// The same without idle connections.
    fresh: reqwest::Client,
    way: Arc<Way>,
}

/// How a receiver is reached.
struct Way {
    url: Url,
    proxy: Option<Url>,
    dialer: Dialer,
    tls: Arc<rustls::ClientConfig>,
    identity: Arc<Identity>,
    connect_timeout: Duration,
    timeout: Duration,
    /// For people: scheme and host.
    shown: String,
    /// The first hop is written as an address that is not to be asked.
    barred: Option<Barred>,
}

impl Client {
    /// Reads the files and, for https only, the system's roots. Blocks while it does.
    pub fn open(settings: Settings<'_>) -> Result<Self, OpenError> {
        Self::open_with(settings, Arc::new(System))
    }

    fn open_with(settings: Settings<'_>, names: Arc<dyn LookUp>) -> Result<Self, OpenError> {
        let guard = Guard { deny_private: settings.deny_private, allow: settings.allow.to_vec() };
        let (tls, identity) = tls::configure(&settings)?;
        let first = settings.proxy.unwrap_or(settings.url.expose());
        let way = Way {
            url: settings.url.expose().clone(),
            proxy: settings.proxy.cloned(),
            shown: settings.url.to_string(),
            barred: dial::literal(first).and_then(|address| guard.judge(address).err()),
            dialer: Dialer { guard: Arc::new(guard), names },
            tls: Arc::new(tls),
            identity,
            connect_timeout: settings.connect_timeout,
            timeout: settings.timeout,
        };
        let (kept, fresh) = (way.client(settings.connections)?, way.client(0)?);
        Ok(Self { kept, fresh, way: Arc::new(way) })
    }

    /// Whom it posts to, as scheme and host: the rest may be secret.
    pub fn receiver(&self) -> &str {
        &self.way.shown
    }

    /// Posts `body` once, on a connection that may have been used before.
    pub async fn post(&self, headers: HeaderMap, body: Bytes) -> Result<Reply, Fault> {
        self.way.post(&self.kept, headers, body).await
    }

    /// As [`Client::post`], on a connection of its own: whatever was wrong with an old one is not met again.
    /// When that is lost, too, it is found out why, if that is possible.
    pub async fn post_afresh(&self, headers: HeaderMap, body: Bytes) -> Result<Reply, Fault> {
        match self.way.post(&self.fresh, headers, body).await {
            Err(fault) if fault.is_lost() => Err(Box::pin(self.way.blame(fault)).await),
            answer => answer,
        }
    }

    /// Walks the way to the receiver and times each step, without sending a request. What is left of a test
    /// is the time until [`Client::post`] has the headers of the answer.
    pub async fn walk(&self) -> Walk {
        let mut walk = self.way.walker().walk(self.way.connect_timeout).await;
        walk.fault = walk.fault.map(|fault| self.way.told_apart(fault));
        walk
    }
}

impl Way {
    /// The library's client, without everything that it would do by itself.
    fn client(&self, connections: usize) -> Result<reqwest::Client, OpenError> {
        let builder = reqwest::Client::builder()
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            .connect_timeout(self.connect_timeout)
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(connections)
            .tls_backend_preconfigured((*self.tls).clone())
            .dns_resolver(self.dialer.clone())
            .connector_layer(Gate(Arc::clone(&self.dialer.guard)));
        let builder = match &self.proxy {
            Some(proxy) => {
                let proxy = reqwest::Proxy::all(proxy.clone()).map_err(|_| OpenError::Client)?;
                builder.proxy(proxy)
            }
            None => builder,
        };
        builder.build().map_err(|_| OpenError::Client)
    }

    async fn post(
        &self,
        client: &reqwest::Client,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Reply, Fault> {
        if let Some(why) = self.barred {
            return Err(Fault::Blocked(why));
        }
        let mut request = reqwest::Request::new(reqwest::Method::POST, self.url.clone());
        *request.headers_mut() = headers;
        *request.body_mut() = Some(body.into());
        match tokio::time::timeout(self.timeout, client.execute(request)).await {
            Ok(Ok(response)) => Ok(Reply::read(response).await),
            Ok(Err(error)) => match self.told_apart(self.fault_of(&error)) {
                // May be an idle connection's end: there is another try, which comes at once or not at all.
                lost if lost.is_lost() => Err(lost),
                // Rare and large: not part of what each attempt reserves.
                fault => Err(Box::pin(self.blame(fault)).await),
            },
            Err(_elapsed) => Err(Fault::Timeout),
        }
    }

    fn fault_of(&self, error: &reqwest::Error) -> Fault {
        let phase = match (error.is_dns(), error.is_connect()) {
            (true, _) => Phase::Resolving,
            (false, true) => Phase::Connecting,
            (false, false) => Phase::Asking,
        };
        let (timeout, proxied) = (error.is_timeout(), self.proxy.is_some());
        Fault::of(error, fault::Step { phase, timeout, proxied })
    }

    async fn blame(&self, fault: Fault) -> Fault {
        self.told_apart(self.walker().blame(fault, self.connect_timeout).await)
    }

    fn told_apart(&self, fault: Fault) -> Fault {
        match fault {
            Fault::Tls(tls) if self.identity.is_missing() => Fault::Tls(tls.without_certificate()),
            other => other,
        }
    }

    fn walker(&self) -> Walker<'_> {
        let Self { url, dialer, tls, identity, .. } = self;
        Walker { url, proxy: self.proxy.as_ref(), dialer, tls, identity }
    }
}

#[cfg(test)]
mod tests;
