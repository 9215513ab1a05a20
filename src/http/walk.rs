//! The way to a receiver, walked step by step and timed, for `watchd endpoint test`.
//!
//! It goes through the same guard, the same proxy and the same TLS configuration as a delivery, on a connection
//! of its own that is closed at the end of the handshake.

use std::{
    error::Error,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest::Url;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{io::AsyncReadExt, net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

use super::{
    certificate,
    dial::{BarredAddress, Dialer, literal},
    fault::{Fault, Phase, ProxyFault, Step as At},
    proxy,
    tls::Identity,
};
use crate::clock::{self, WallMs};

/// How long a receiver may take to refuse a client certificate.
const REFUSAL_WAIT: Duration = Duration::from_secs(1);

/// One step that went well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The name has these addresses that may be asked; of the proxy, where there is one. Not told for an
    /// address written as such.
    Resolved(Vec<IpAddr>),
    /// TCP is connected; to the proxy, where there is one.
    Connected(SocketAddr),
    /// The proxy has opened a tunnel.
    Tunnelled,
    /// TLS is spoken, and the certificate holds.
    Secured {
        /// As in `TLSv1_3`.
        version: String,
        /// As in `TLS13_AES_128_GCM_SHA256`.
        suite: String,
        /// The end of the certificate's validity.
        good_until: Option<WallMs>,
    },
}

/// A part of the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Leg {
    /// From a name to addresses.
    #[default]
    Name,
    /// From an address to a connection.
    Connection,
    /// Through the proxy.
    Tunnel,
    /// The handshake.
    Tls,
}

/// How far it went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Walk {
    /// What went well, in order, and how long each took.
    pub steps: Vec<(Step, Duration)>,
    /// What the next step failed with.
    pub fault: Option<Fault>,
    /// The last leg that was begun: where it failed, if it did.
    pub leg: Leg,
}

/// What is needed to walk.
pub(super) struct Walker<'a> {
    pub(super) url: &'a Url,
    pub(super) proxy: Option<&'a Url>,
    pub(super) dialer: &'a Dialer,
    pub(super) tls: &'a Arc<ClientConfig>,
    pub(super) identity: &'a Identity,
}

/// Notes the steps while they are made.
struct Log {
    walk: Walk,
    since: Instant,
}

impl Log {
    fn new() -> Self {
        Self { walk: Walk::default(), since: clock::mono() }
    }

    fn begin(&mut self, leg: Leg) {
        self.walk.leg = leg;
    }

    fn step(&mut self, step: Step) {
        let now = clock::mono();
        self.walk.steps.push((step, now.saturating_duration_since(self.since)));
        self.since = now;
    }
}

impl Walker<'_> {
    /// Goes as far as it can within `limit`.
    pub(super) async fn walk(&self, limit: Duration) -> Walk {
        let mut log = Log::new();
        let ended = timeout(limit, self.go(&mut log)).await;
        log.walk.fault = ended.unwrap_or(Err(Fault::ConnectTimeout)).err();
        log.walk
    }

    async fn go(&self, log: &mut Log) -> Result<(), Fault> {
        let stream = self.connect(log).await?;
        if self.url.scheme() != "https" {
            return Ok(());
        }
        let stream = match self.proxy {
            Some(_) => {
                log.begin(Leg::Tunnel);
                let tunnel = proxy::tunnel(stream, self.url).await.map_err(Fault::Proxy)?;
                log.step(Step::Tunnelled);
                tunnel
            }
            None => stream,
        };
        self.secure(stream, log).await
    }

    /// TCP to the receiver or its proxy.
    async fn connect(&self, log: &mut Log) -> Result<TcpStream, Fault> {
        let first = self.proxy.unwrap_or(self.url);
        let port = first.port_or_known_default().unwrap_or_default();
        let addresses = if let Some(address) = literal(first) {
            log.begin(Leg::Connection);
            let judged = self.dialer.guard.judge(address);
            judged.map_err(|why| self.fault(&BarredAddress(why), Phase::Connecting))?;
            vec![address]
        } else {
            let found = self.dialer.addresses(first.host_str().unwrap_or_default()).await;
            let found = found.map_err(|why| self.fault(&*why, Phase::Resolving))?;
            log.step(Step::Resolved(found.clone()));
            found
        };
        log.begin(Leg::Connection);
        let sockets: Vec<_> = addresses.iter().map(|at| SocketAddr::new(*at, port)).collect();
        // One after the other; the limit on connecting is for all of them.
        let stream = TcpStream::connect(sockets.as_slice()).await;
        let stream = stream.map_err(|why| self.fault(&why, Phase::Connecting))?;
        log.step(Step::Connected(
            stream.peer_addr().map_err(|why| self.fault(&why, Phase::Connecting))?,
        ));
        Ok(stream)
    }

    async fn secure(&self, stream: TcpStream, log: &mut Log) -> Result<(), Fault> {
        log.begin(Leg::Tls);
        let host = self.url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host).map_err(|_| Fault::Other)?;
        let stream = TlsConnector::from(Arc::clone(self.tls)).connect(name, stream).await;
        let mut stream = stream.map_err(|why| self.fault(&why, Phase::Connecting))?;
        if self.identity.was_asked() {
            // In TLS 1.3 our side is done before the receiver has looked at our certificate (RFC 8446 2).
            let refused = timeout(REFUSAL_WAIT, stream.read(&mut [0])).await;
            if let Ok(Err(why)) = refused {
                return Err(self.fault(&why, Phase::Connecting));
            }
        }
        let (_, session) = stream.get_ref();
        let version = session.protocol_version().map(|version| format!("{version:?}"));
        let suite = session.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite()));
        let (version, suite) = (version.unwrap_or_default(), suite.unwrap_or_default());
        let shown = session.peer_certificates().and_then(<[_]>::first);
        let good_until = shown.and_then(|certificate| certificate::good_until(certificate));
        log.step(Step::Secured { version, suite, good_until });
        Ok(())
    }

    fn fault(&self, error: &(dyn Error + 'static), phase: Phase) -> Fault {
        Fault::of(error, At { phase, timeout: false, proxied: self.proxy.is_some() })
    }

    /// What a failed request was really about, where the failure itself does not say: `fault`, unless the
    /// proxy or the receiver says more when it is asked again.
    pub(super) async fn blame(&self, fault: Fault, limit: Duration) -> Fault {
        match fault {
            Fault::ConnectTimeout | Fault::Proxy(ProxyFault::RefusedOnce)
                if self.proxy.is_some() =>
            {
                self.ask_proxy(fault, limit).await
            }
            // Nobody else knows whether it was lost because of the certificate.
            fault if fault.is_lost() && self.identity.was_asked() => {
                let refused = self.walk(limit).await.fault;
                refused.filter(|refused| matches!(refused, Fault::Tls(_))).unwrap_or(fault)
            }
            fault => fault,
        }
    }

    async fn ask_proxy(&self, fault: Fault, limit: Duration) -> Fault {
        let mut log = Log::new();
        let asking = async {
            let stream = self.connect(&mut log).await?;
            proxy::tunnel(stream, self.url).await.map_err(Fault::Proxy)
        };
        let asked = timeout(limit, asking).await;
        let connected = log.walk.steps.iter().any(|(step, _)| matches!(step, Step::Connected(_)));
        match asked {
            Ok(Err(said)) => said,
            Err(_) if !connected => Fault::Proxy(ProxyFault::Unreachable),
            // The proxy waits for the receiver, or all is well by now.
            Err(_) | Ok(Ok(_)) => fault,
        }
    }
}
