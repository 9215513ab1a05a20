//! Why there was no answer: the one conversion from transport errors. Nothing here prints a URL (P10).

mod tls;

use std::{error::Error, io, net::UdpSocket};

use rustix::io::Errno;

pub use self::tls::TlsFault;
use super::{dial::BarredAddress, guard::Barred};
use crate::clock;

/// Why a request got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The name has no address.
    #[error("the host name cannot be resolved")]
    Dns,
    /// Nobody listens there.
    #[error("connection refused")]
    Refused,
    /// A router says so, or the neighbour does not answer.
    #[error("the host cannot be reached")]
    Unreachable,
    /// No connection within the time allowed.
    #[error("no connection in time")]
    ConnectTimeout,
    /// No complete response headers within the time allowed. The receiver may have got the request.
    #[error("no answer in time")]
    Timeout,
    /// The certificate or the handshake.
    #[error("TLS: {0}")]
    Tls(TlsFault),
    /// Closed or reset before an answer. The receiver may have got the request.
    #[error("the connection was closed before an answer came")]
    ConnectionLost,
    /// What came back is no HTTP response.
    #[error("the answer is not valid HTTP")]
    Protocol,
    /// An address that is not to be asked.
    #[error("{0}")]
    Blocked(Barred),
    /// The proxy, or the way to it. Nobody knows what the receiver would have said.
    #[error("proxy: {0}")]
    Proxy(ProxyFault),
    /// This machine could not send.
    #[error("this machine: {0}")]
    Local(&'static str),
    /// None of the above.
    #[error("the request failed")]
    Other,
}

/// What was wrong with the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyFault {
    /// Its name has no address.
    #[error("its host name cannot be resolved")]
    Dns,
    /// No connection to it.
    #[error("it cannot be reached; is it running, and is `proxy` right?")]
    Unreachable,
    /// It does not want to, or wants a password, or cannot reach the receiver.
    #[error("it answers CONNECT with {0}")]
    Refused(u16),
    /// It does not want to, and does not say it twice.
    #[error("it refuses CONNECT")]
    RefusedOnce,
    /// What answers there is something else.
    #[error("what it answers to CONNECT is not valid HTTP")]
    NotHttp,
    /// Closed or reset before an answer, by the proxy or by what is behind it.
    #[error("the connection through it was closed before an answer came")]
    Lost,
}

/// How far a request had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The name was looked up.
    Resolving,
    /// The connection, TLS included, was made.
    Connecting,
    /// An answer was waited for.
    Asking,
}

/// At which step the transport gave up, as far as it says so itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) phase: Phase,
    /// Because of a time limit.
    pub(super) timeout: bool,
    /// On the way to or through a proxy.
    pub(super) proxied: bool,
}

impl Fault {
    /// Whether the connection was cut before an answer, as one is that was idle for too long.
    pub fn is_lost(&self) -> bool {
        matches!(self, Self::ConnectionLost | Self::Proxy(ProxyFault::Lost))
    }

    /// Walks the chain of causes and takes the first that says something.
    pub(super) fn of(error: &(dyn Error + 'static), step: Step) -> Self {
        let mut cause = Some(error);
        let mut found = None;
        let mut tunnelling = None;
        while let Some(present) = cause {
            tunnelling = tunnelling.or_else(|| of_tunnel(present));
            found = found.or_else(|| of_cause(present, step));
            cause = inner(present);
        }
        let fault = match found {
            Some(fault) => fault,
            None if step.phase == Phase::Resolving => Self::Dns,
            None if step.timeout && step.phase != Phase::Asking => Self::ConnectTimeout,
            None if step.timeout => Self::Timeout,
            None => Self::Other,
        };
        if step.proxied { fault.of_proxy(tunnelling) } else { fault }
    }

    /// The same, where the connection is one to a proxy. TLS is spoken with the receiver, through the tunnel; a
    /// time limit may be the fault of either.
    fn of_proxy(self, tunnelling: Option<ProxyFault>) -> Self {
        match (self, tunnelling) {
            (Self::Local(_) | Self::Blocked(_) | Self::Tls(_), _) => self,
            (_, Some(proxy)) => Self::Proxy(proxy),
            (Self::Dns, None) => Self::Proxy(ProxyFault::Dns),
            (Self::Refused | Self::Unreachable, None) => Self::Proxy(ProxyFault::Unreachable),
            (Self::ConnectionLost, None) => Self::Proxy(ProxyFault::Lost),
            (other, None) => other,
        }
    }
}

/// The library's error about a tunnel has no name, only texts. A test holds them.
fn of_tunnel(error: &(dyn Error + 'static)) -> Option<ProxyFault> {
    let text = error.to_string();
    Some(match text.strip_prefix("tunnel error: ")? {
        "failed to create underlying connection" => ProxyFault::Unreachable,
        "proxy authorization required" => ProxyFault::Refused(407),
        "proxy response headers too long" => ProxyFault::NotHttp,
        "unexpected end of file" | "io error establishing tunnel" => ProxyFault::Lost,
        _ => ProxyFault::RefusedOnce,
    })
}

/// The next cause. An `io::Error` that wraps another error skips it in `source()`.
fn inner<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

fn of_cause(error: &(dyn Error + 'static), step: Step) -> Option<Fault> {
    if let Some(BarredAddress(why)) = error.downcast_ref() {
        return Some(Fault::Blocked(*why));
    }
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return Some(TlsFault::of(tls).dated(clock::wall()));
    }
    if let Some(http) = error.downcast_ref::<hyper::Error>() {
        return of_http(http);
    }
    let io = error.downcast_ref::<io::Error>()?;
    if step.phase == Phase::Resolving { of_resolver(io) } else { of_io(io, step) }
}

fn of_http(error: &hyper::Error) -> Option<Fault> {
    if error.is_parse() {
        return Some(Fault::Protocol);
    }
    // Canceled: the connection went away before the request was taken up.
    let lost = error.is_incomplete_message() || error.is_canceled() || error.is_closed();
    lost.then_some(Fault::ConnectionLost)
}

fn of_io(error: &io::Error, step: Step) -> Option<Fault> {
    if let Some(local) = error.raw_os_error().and_then(local_fault) {
        return Some(local);
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Some(Fault::Refused),
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => Some(unreachable()),
        io::ErrorKind::TimedOut if step.phase == Phase::Connecting => Some(Fault::ConnectTimeout),
        io::ErrorKind::TimedOut => Some(Fault::Timeout),
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::NotConnected
        | io::ErrorKind::UnexpectedEof => Some(Fault::ConnectionLost),
        _ => None,
    }
}

fn local_fault(errno: i32) -> Option<Fault> {
    let why = match Errno::from_raw_os_error(errno) {
        Errno::MFILE | Errno::NFILE => "too many open files",
        Errno::NOBUFS | Errno::NOMEM => "out of memory for sockets",
        Errno::NETDOWN => "the network is down",
        Errno::ADDRNOTAVAIL => "no local address or port is free",
        Errno::PERM | Errno::ACCESS => "a local firewall or sandbox forbids the connection",
        _ => return None,
    };
    Some(Fault::Local(why))
}

/// getaddrinfo(3) through the standard library gives text only; it is never translated, because nothing
/// here calls setlocale(3). `EAI_AGAIN` is "no resolver answered", a fault on our side; the rest is about
/// the name. The two wordings are glibc's and musl's.
fn of_resolver(error: &io::Error) -> Option<Fault> {
    if let Some(local) = error.raw_os_error().and_then(local_fault) {
        return Some(local);
    }
    let text = error.to_string();
    let again = ["Temporary failure in name resolution", "Try again"];
    let local = again.iter().any(|again| text.contains(again));
    local.then_some(Fault::Local("no name server answers"))
}

/// The errno is the same whether a distant router says "unreachable" or this machine has no route; only
/// the latter is our own fault. Connecting a UDP socket looks up the route and sends nothing
/// (connect(2)); the addresses are the documentation ranges of RFC 5737 and RFC 3849.
fn unreachable() -> Fault {
    let has_route =
        |from: &str, to: &str| UdpSocket::bind(from).and_then(|s| s.connect(to)).is_ok();
    if has_route("0.0.0.0:0", "192.0.2.1:9") || has_route("[::]:0", "[2001:db8::1]:9") {
        Fault::Unreachable
    } else {
        Fault::Local("no route to any network")
    }
}
