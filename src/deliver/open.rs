//! Reads what a lane needs from files: URL, secrets, headers, roots. It may block, so it runs off the loop.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{excerpt::Redactor, request::Form, signature::Signer};
use crate::{
    arrival::UrlPrint,
    config::checked::{BadHeader, BadUrl, Endpoint, ProxyUrl, SecretUrl, UrlSource, header_value},
    http::{self, HeaderName, HeaderValue},
    secret::{BadSecret, SigningSecret},
};

/// All that is needed to send.
#[derive(Clone)]
pub(crate) struct Opened<C> {
    /// Carries requests.
    pub(crate) courier: C,
    /// Makes them.
    pub(crate) form: Form,
    /// What goes with each request.
    pub(crate) terms: Arc<Terms>,
    /// Changes with what is in the files, and says nothing of it.
    pub(crate) contents: [u8; 32],
}

/// By what the answer to a request is judged: it is about the URL and the keys that the request left with, and
/// not about those that were read since.
#[derive(Debug)]
pub(crate) struct Terms {
    /// Knows what may not be shown.
    pub(crate) redactor: Redactor,
    /// Which URL this is, without saying it.
    pub(crate) print: UrlPrint,
    /// Whether the request was signed, so that a wrong clock makes it unacceptable.
    pub(crate) signed: bool,
}

/// Why a lane cannot send. Worth another try: credentials and mounts may come later.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A file cannot be read.
    #[error("cannot read {path}: {why}")]
    File {
        /// As configured.
        path: PathBuf,
        /// From the system.
        why: io::ErrorKind,
    },
    /// The URL file holds something else.
    #[error("{path} does not hold a URL: {why}")]
    Url {
        /// As configured.
        path: PathBuf,
        /// What is wrong.
        why: BadUrl,
    },
    /// A secret file holds something else.
    #[error("{path} does not hold a signing secret: {why}")]
    Secret {
        /// As configured.
        path: PathBuf,
        /// What is wrong.
        why: BadSecret,
    },
    /// A header file holds something else.
    #[error("{path} does not hold the value of a header: {why}")]
    Header {
        /// As configured.
        path: PathBuf,
        /// What is wrong.
        why: BadHeader,
    },
    /// The client.
    #[error(transparent)]
    Client(#[from] http::OpenError),
}

const FILE_LEN_MAX: u64 = 16 * 1024;
/// Of each file that is looked at for a change; no list of certificates is longer.
const PRINTED_LEN_MAX: u64 = 1024 * 1024;

/// Reads everything and makes the client.
pub(super) fn open(endpoint: &Endpoint) -> Result<Opened<http::Client>, OpenError> {
    // Before anything is used: what changes in between is found changed the next time.
    let contents = contents(endpoint);
    let url = match &endpoint.url {
        UrlSource::Given(url) => url.clone(),
        UrlSource::File(path) => SecretUrl::parse(&read(path)?)
            .map_err(|why| OpenError::Url { path: path.clone(), why })?,
    };
    let secrets: Vec<_> =
        endpoint.secret_files.iter().map(|path| secret(path)).collect::<Result<_, _>>()?;
    let courier = http::Client::open(http::Settings {
        url: &url,
        connect_timeout: endpoint.connect_timeout,
        timeout: endpoint.timeout,
        connections: endpoint.concurrency,
        ca_file: endpoint.ca_file.as_deref(),
        identity: endpoint
            .identity
            .as_ref()
            .map(|files| (files.cert.as_path(), files.key.as_path())),
        proxy: endpoint.proxy.as_ref().map(ProxyUrl::as_url),
        deny_private: endpoint.deny_private,
        allow: &endpoint.allow,
    })?;
    let headers = headers(endpoint)?;
    let redactor = Redactor::of(&url, headers.iter().map(|(_, value)| value.as_bytes()));
    let signer = Signer::new(&secrets);
    let form = Form::new(endpoint.name.clone(), endpoint.format, headers, signer);
    let terms = Arc::new(Terms { redactor, print: print_of(&url), signed: form.is_signed() });
    Ok(Opened { courier, form, terms, contents })
}

/// A fingerprint that changes with the URL and cannot be turned back into it.
pub fn print_of(url: &SecretUrl) -> UrlPrint {
    let mut hash = blake3::Hasher::new_derive_key("watchd 2026 fingerprint of an endpoint's URL");
    hash.update(url.expose().as_str().as_bytes());
    let mut print = [0; 16];
    hash.finalize_xof().fill(&mut print);
    UrlPrint(print)
}

/// A fingerprint of all files together. One that cannot be read is as good as none.
fn contents(endpoint: &Endpoint) -> [u8; 32] {
    let url = match &endpoint.url {
        UrlSource::Given(_) => None,
        UrlSource::File(path) => Some(path),
    };
    let identity = endpoint.identity.iter().flat_map(|files| [&files.cert, &files.key]);
    let headers = endpoint.header_files.iter().map(|(_, path)| path);
    let files = url.into_iter().chain(&endpoint.secret_files).chain(&endpoint.ca_file);
    let mut hash = blake3::Hasher::new_derive_key("watchd 2026 contents of an endpoint's files");
    for path in files.chain(identity).chain(headers) {
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|f| f.take(PRINTED_LEN_MAX).read_to_end(&mut bytes));
        hash.update(&[u8::from(read.is_ok())]);
        hash.update(&(bytes.len() as u64).to_be_bytes());
        hash.update(&bytes);
    }
    hash.finalize().into()
}

/// The operator's own, those in files included.
fn headers(endpoint: &Endpoint) -> Result<Vec<(HeaderName, HeaderValue)>, OpenError> {
    let mut headers = endpoint.headers.clone();
    for (name, path) in &endpoint.header_files {
        let value = header_value(&read(path)?)
            .map_err(|why| OpenError::Header { path: path.clone(), why })?;
        headers.push((name.clone(), value));
    }
    Ok(headers)
}

fn secret(path: &Path) -> Result<SigningSecret, OpenError> {
    SigningSecret::parse(&read(path)?)
        .map_err(|why| OpenError::Secret { path: path.to_owned(), why })
}

fn read(path: &Path) -> Result<String, OpenError> {
    let failed = |e: io::Error| OpenError::File { path: path.to_owned(), why: e.kind() };
    let mut text = String::new();
    let file = File::open(path).map_err(failed)?;
    file.take(FILE_LEN_MAX).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}
