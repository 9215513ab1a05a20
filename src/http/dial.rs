//! Between a name and a connection: the resolver, and the guard in front of and behind it.
//!
//! The addresses that the resolver lets through are the ones that are connected to, so a name that answers
//! differently the next time gains nothing. What was connected to is judged once more, before a byte of the
//! request leaves: the resolver is not asked about an address written as such.

use std::{
    error::Error,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use hyper::http::Extensions;
use hyper_util::client::legacy::connect::{Connection, HttpInfo};
use reqwest::{
    Url,
    dns::{Addrs, Name, Resolve, Resolving},
};
use tower_layer::Layer;
use tower_service::Service;

use super::guard::{Barred, Guard};

type BoxError = Box<dyn Error + Send + Sync>;
type Pending<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// An address that the guard does not let through.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct BarredAddress(pub(super) Barred);

/// The address of a URL's host, when it is one and not a name.
pub(super) fn literal(url: &Url) -> Option<IpAddr> {
    url.host_str()?.trim_matches(['[', ']']).parse().ok()
}

/// Who knows the addresses of a name: the system, or a test.
pub(super) trait LookUp: Send + Sync {
    /// All of them; an error when there are none.
    fn look_up(&self, name: &str) -> Pending<Vec<IpAddr>, io::Error>;
}

/// The system's resolver.
pub(super) struct System;

impl LookUp for System {
    fn look_up(&self, name: &str) -> Pending<Vec<IpAddr>, io::Error> {
        let name = name.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// Knows which addresses may be asked, and finds them.
#[derive(Clone)]
pub(super) struct Dialer {
    pub(super) guard: Arc<Guard>,
    pub(super) names: Arc<dyn LookUp>,
}

impl Dialer {
    /// The addresses of `name` that may be asked; never none.
    pub(super) async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, BoxError> {
        let found = self.names.look_up(name).await?;
        let mut barred = None;
        let allowed: Vec<_> = found
            .into_iter()
            .filter(|address| match self.guard.judge(*address) {
                Ok(()) => true,
                Err(why) => {
                    barred = Some(why);
                    false
                }
            })
            .collect();
        match barred {
            Some(why) if allowed.is_empty() => Err(Box::new(BarredAddress(why))),
            _ => Ok(allowed),
        }
    }
}

impl Resolve for Dialer {
    fn resolve(&self, name: Name) -> Resolving {
        let dialer = self.clone();
        Box::pin(async move {
            let allowed = dialer.addresses(name.as_str()).await?;
            let sockets = allowed.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(sockets) as Addrs)
        })
    }
}

/// Judges the far end of each new connection.
#[derive(Clone)]
pub(super) struct Gate(pub(super) Arc<Guard>);

impl<S> Layer<S> for Gate {
    type Service = Gated<S>;

    fn layer(&self, inner: S) -> Gated<S> {
        Gated { inner, guard: Arc::clone(&self.0) }
    }
}

#[derive(Clone)]
pub(super) struct Gated<S> {
    inner: S,
    guard: Arc<Guard>,
}

impl<S, T> Service<T> for Gated<S>
where
    S: Service<T, Error = BoxError>,
    S::Response: Connection,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pending<S::Response, BoxError>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, target: T) -> Self::Future {
        let (connecting, guard) = (self.inner.call(target), Arc::clone(&self.guard));
        Box::pin(async move {
            let connection = connecting.await?;
            let mut extras = Extensions::new();
            connection.connected().get_extras(&mut extras);
            let info = extras.get::<HttpInfo>().ok_or("a connection without an address")?;
            match guard.judge(info.remote_addr().ip()) {
                Ok(()) => Ok(connection),
                Err(why) => Err(Box::new(BarredAddress(why)) as BoxError),
            }
        })
    }
}
