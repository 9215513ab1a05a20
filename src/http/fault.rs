//! Why there was no answer: the one conversion from transport errors. Nothing here prints a URL (P10).

use std::{error::Error, io, net::UdpSocket};

use rustix::io::Errno;

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
    /// An address that is never asked, such as a cloud's metadata service.
    #[error("the address is link-local, multicast or unspecified, which is refused")]
    Blocked,
    /// This machine could not send.
    #[error("this machine: {0}")]
    Local(&'static str),
    /// None of the above.
    #[error("the request failed")]
    Other,
}

/// What was wrong with TLS. Fixed texts: a certificate is the other side's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsFault {
    /// Past its end.
    #[error("the certificate has expired, or this machine's clock is wrong")]
    Expired,
    /// Before its beginning.
    #[error("the certificate is not valid yet, or this machine's clock is wrong")]
    NotYetValid,
    /// Signed by nobody we know.
    #[error("the certificate's issuer is not known; a private CA goes into ca_file")]
    UnknownIssuer,
    /// Made out to another host.
    #[error("the certificate is for another host name")]
    WrongName,
    /// Any other fault of the certificate.
    #[error("the certificate is not acceptable")]
    Certificate,
    /// The other side ended the handshake.
    #[error("the receiver refused the handshake")]
    Alert,
    /// The other side does not speak TLS, or no version of it that we do.
    #[error("the handshake failed; does the receiver speak TLS 1.2 or 1.3 on this port?")]
    Handshake,
}

/// An address that the guard does not let through; the resolver's error.
#[derive(Debug, thiserror::Error)]
#[error("blocked address")]
pub(super) struct BlockedAddress;

/// At which step the transport gave up, as far as it says so itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// Before the connection, TLS included, was made.
    pub(super) connecting: bool,
    /// While the name was resolved.
    pub(super) resolving: bool,
    /// Because of a time limit.
    pub(super) timeout: bool,
}

impl Fault {
    /// Walks the chain of causes and takes the first that says something.
    pub(super) fn of(error: &(dyn Error + 'static), step: Step) -> Self {
        let mut cause = Some(error);
        let mut found = None;
        while let Some(present) = cause {
            found = found.or_else(|| of_cause(present, step));
            cause = inner(present);
        }
        match found {
            Some(fault) => fault,
            None if step.resolving => Self::Dns,
            None if step.timeout && step.connecting => Self::ConnectTimeout,
            None if step.timeout => Self::Timeout,
            None => Self::Other,
        }
    }
}

/// The next cause. An `io::Error` that wraps another error skips it in `source()`.
fn inner<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

fn of_cause(error: &(dyn Error + 'static), step: Step) -> Option<Fault> {
    if error.is::<BlockedAddress>() {
        return Some(Fault::Blocked);
    }
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return Some(Fault::Tls(TlsFault::of(tls)));
    }
    if let Some(http) = error.downcast_ref::<hyper::Error>() {
        return of_http(http);
    }
    let io = error.downcast_ref::<io::Error>()?;
    if step.resolving { of_resolver(io) } else { of_io(io, step) }
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
        io::ErrorKind::TimedOut if step.connecting => Some(Fault::ConnectTimeout),
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

impl TlsFault {
    fn of(error: &rustls::Error) -> Self {
        use rustls::{CertificateError as Cert, Error as Tls};
        match error {
            Tls::InvalidCertificate(Cert::Expired | Cert::ExpiredContext { .. }) => Self::Expired,
            Tls::InvalidCertificate(Cert::NotValidYet | Cert::NotValidYetContext { .. }) => {
                Self::NotYetValid
            }
            Tls::InvalidCertificate(Cert::UnknownIssuer) => Self::UnknownIssuer,
            Tls::InvalidCertificate(
                Cert::NotValidForName | Cert::NotValidForNameContext { .. },
            ) => Self::WrongName,
            Tls::InvalidCertificate(_) | Tls::NoCertificatesPresented => Self::Certificate,
            Tls::AlertReceived(_) => Self::Alert,
            _ => Self::Handshake,
        }
    }
}
