//! What was wrong with TLS, in words for an operator. Fixed texts: a certificate is the other side's input.

use rustls::{AlertDescription as Told, CertificateError as Cert, Error, PeerIncompatible};

use super::Fault;
use crate::clock::WallMs;

/// What was wrong with TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsFault {
    /// Past its end.
    #[error("the receiver's certificate has expired, or this machine's clock is wrong")]
    Expired,
    /// Before its beginning.
    #[error("the receiver's certificate is not valid yet, or this machine's clock is wrong")]
    NotYetValid,
    /// Signed by nobody we know.
    #[error(
        "the issuer of the receiver's certificate is not known; a private CA goes into ca_file"
    )]
    UnknownIssuer,
    /// Made out to another host.
    #[error("the receiver's certificate is for another host name")]
    WrongName,
    /// A certificate that may sign others, in the place of a server's: what `openssl req -x509` makes.
    #[error(
        "the receiver shows a CA certificate in place of a server's; have one issued with basicConstraints CA:FALSE"
    )]
    CaAsServer,
    /// Any other fault of the certificate.
    #[error("the receiver's certificate is not acceptable")]
    Certificate,
    /// The receiver wants a client certificate, and there is none.
    #[error("the receiver asks for a client certificate: set client_cert_file and client_key_file")]
    ClientCertificateMissing,
    /// The receiver has seen ours and does not take it.
    #[error("the receiver does not accept the certificate in client_cert_file")]
    ClientCertificateRefused,
    /// No version that both speak.
    #[error("no version of TLS in common; this side speaks 1.2 and 1.3")]
    Version,
    /// The other side ended the handshake.
    #[error("the receiver refused the handshake")]
    Alert,
    /// The other side does not speak TLS.
    #[error("the handshake failed; does the receiver speak TLS on this port?")]
    Handshake,
}

/// 2025-01-01: before that no copy of this program was built, so a clock that says so was never set.
const CLOCK_EARLIEST: WallMs = WallMs(1_735_689_600_000);

impl TlsFault {
    pub(super) fn of(error: &Error) -> Self {
        match error {
            Error::InvalidCertificate(why) => Self::of_certificate(why),
            Error::NoCertificatesPresented => Self::Certificate,
            Error::AlertReceived(told) => Self::of_alert(*told),
            Error::PeerIncompatible(
                PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
            ) => Self::Version,
            _ => Self::Handshake,
        }
    }

    fn of_certificate(why: &Cert) -> Self {
        match why {
            Cert::Expired | Cert::ExpiredContext { .. } => Self::Expired,
            Cert::NotValidYet | Cert::NotValidYetContext { .. } => Self::NotYetValid,
            Cert::UnknownIssuer => Self::UnknownIssuer,
            Cert::NotValidForName | Cert::NotValidForNameContext { .. } => Self::WrongName,
            // The verifier's own error, which has no name here; a test holds the text.
            Cert::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
                Self::CaAsServer
            }
            _ => Self::Certificate,
        }
    }

    fn of_alert(told: Told) -> Self {
        match told {
            Told::CertificateRequired | Told::NoCertificate => Self::ClientCertificateMissing,
            Told::BadCertificate
            | Told::UnsupportedCertificate
            | Told::CertificateRevoked
            | Told::CertificateExpired
            | Told::CertificateUnknown
            | Told::UnknownCA
            | Told::AccessDenied => Self::ClientCertificateRefused,
            Told::ProtocolVersion => Self::Version,
            _ => Self::Alert,
        }
    }

    /// A clock that was never set makes good certificates bad: that is our own fault, and no receiver's.
    pub(super) fn dated(self, now: WallMs) -> Fault {
        match self {
            Self::Expired | Self::NotYetValid if now < CLOCK_EARLIEST => {
                Fault::Local("its clock is not set, so no certificate can be checked")
            }
            other => Fault::Tls(other),
        }
    }

    /// The same, when the receiver asked for a certificate and there is none: before TLS 1.3 no alert
    /// says so.
    pub(crate) fn without_certificate(self) -> Self {
        match self {
            Self::Alert | Self::ClientCertificateRefused => Self::ClientCertificateMissing,
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_never_set_is_this_machines_fault() {
        let (born, built) = (WallMs(42_000), WallMs(1_790_000_000_000));
        for fault in [TlsFault::Expired, TlsFault::NotYetValid] {
            assert!(matches!(fault.dated(born), Fault::Local(_)));
            assert_eq!(fault.dated(built), Fault::Tls(fault));
        }
        assert_eq!(TlsFault::WrongName.dated(born), Fault::Tls(TlsFault::WrongName));
    }
}
