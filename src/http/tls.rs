//! What one endpoint trusts, and what it shows of itself: files become a TLS configuration.
//!
//! There is no way to check less: a certificate that does not hold is a fault, never a reason to go on
//! without TLS or without looking.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use rustls::{
    ClientConfig, InconsistentKeys, RootCertStore, SignatureScheme,
    client::ResolvesClientCert,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use rustls_platform_verifier::BuilderVerifierExt;

use super::Settings;

/// No list of certificates, and no key, is larger.
const FILE_LEN_MAX: u64 = 1024 * 1024;

/// Why a client cannot be made; worth another try later, for files come and go.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A file that is configured is missing or of no use.
    #[error(transparent)]
    File(#[from] BadFile),
    /// No roots, so no certificate can be checked.
    #[error(
        "no CA certificates found on this system (usually in /etc/ssl/certs): install them or set ca_file"
    )]
    NoSystemRoots,
    /// The library refuses.
    #[error("the HTTP client cannot be made")]
    Client,
}

/// What is wrong with a file of certificates or a key. Says nothing of what is in it.
#[derive(Debug, thiserror::Error)]
pub enum BadFile {
    /// It cannot be read.
    #[error("cannot read {path}: {why}")]
    Unreadable {
        /// As configured.
        path: PathBuf,
        /// From the system.
        why: io::ErrorKind,
    },
    /// It holds no certificate.
    #[error("{path} holds no valid PEM certificate")]
    NoCertificate {
        /// As configured.
        path: PathBuf,
    },
    /// It holds no key that can be used.
    #[error(
        "{path} holds no usable private key: PEM (PKCS#8, PKCS#1 or SEC1) without a passphrase, of RSA, ECDSA or Ed25519"
    )]
    NoKey {
        /// As configured.
        path: PathBuf,
    },
    /// Certificate and key are both well, and belong to different pairs.
    #[error("{path} does not hold the key of the first certificate in {cert}")]
    OtherKey {
        /// The key, as configured.
        path: PathBuf,
        /// The certificate, as configured.
        cert: PathBuf,
    },
}

/// Says what is wrong with a file for `ca_file`, for `check`.
pub fn check_roots(path: &Path) -> Result<(), BadFile> {
    roots(path).map(|_| ())
}

/// Says what is wrong with a client certificate and its key, for `check`.
pub fn check_identity(cert: &Path, key: &Path) -> Result<(), BadFile> {
    certified(cert, key, &rustls::crypto::ring::default_provider()).map(|_| ())
}

/// Chooses the cryptography for the whole process; further calls do nothing. Opening a client calls it,
/// because without it the library panics; whoever else speaks TLS has to do so, too.
pub fn install_provider() {
    // An error means that one is installed already, which is what is wanted.
    rustls::crypto::ring::default_provider().install_default().unwrap_or(());
}

/// Reads the files. For a URL without TLS only those that are configured are looked at.
pub(super) fn configure(
    settings: &Settings<'_>,
) -> Result<(ClientConfig, Arc<Identity>), OpenError> {
    install_provider();
    let builder = ClientConfig::builder();
    let provider = Arc::clone(builder.crypto_provider());
    let builder = match settings.ca_file {
        Some(path) => builder.with_root_certificates(roots(path)?),
        None if settings.url.is_https() => {
            builder.with_platform_verifier().map_err(|_| OpenError::NoSystemRoots)?
        }
        None => builder.with_root_certificates(RootCertStore::empty()),
    };
    let shown = settings.identity.map(|(cert, key)| certified(cert, key, &provider)).transpose()?;
    let identity = Arc::new(Identity { shown: shown.map(Arc::new), asked: AtomicBool::new(false) });
    let mut config = builder.with_client_cert_resolver(Arc::clone(&identity) as _);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((config, identity))
}

fn roots(path: &Path) -> Result<RootCertStore, BadFile> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        let bad = |_| BadFile::NoCertificate { path: path.to_owned() };
        roots.add(certificate).map_err(bad)?;
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, BadFile> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(path)?).collect();
    let found = found.ok().filter(|found| !found.is_empty());
    found.ok_or_else(|| BadFile::NoCertificate { path: path.to_owned() })
}

fn certified(cert: &Path, key: &Path, provider: &CryptoProvider) -> Result<CertifiedKey, BadFile> {
    let chain = certificates(cert)?;
    let no_key = || BadFile::NoKey { path: key.to_owned() };
    let der = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|_| no_key())?;
    let signing = provider.key_provider.load_private_key(der).map_err(|_| no_key())?;
    let certified = CertifiedKey::new(chain, signing);
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(rustls::Error::InconsistentKeys(_)) => {
            Err(BadFile::OtherKey { path: key.to_owned(), cert: cert.to_owned() })
        }
        Err(_) => Err(BadFile::NoCertificate { path: cert.to_owned() }),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, BadFile> {
    let failed = |e: io::Error| BadFile::Unreadable { path: path.to_owned(), why: e.kind() };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(FILE_LEN_MAX).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// The client certificate, if there is one, and whether a receiver has asked for it: a refused handshake
/// rarely says why.
pub(super) struct Identity {
    shown: Option<Arc<CertifiedKey>>,
    asked: AtomicBool,
}

impl Identity {
    /// Whether a receiver wanted to see a certificate.
    pub(super) fn was_asked(&self) -> bool {
        self.asked.load(Relaxed)
    }

    /// The same, where there is none.
    pub(super) fn is_missing(&self) -> bool {
        self.shown.is_none() && self.was_asked()
    }
}

impl ResolvesClientCert for Identity {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Relaxed);
        self.shown.clone()
    }

    fn has_certs(&self) -> bool {
        self.shown.is_some()
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity(...)")
    }
}
