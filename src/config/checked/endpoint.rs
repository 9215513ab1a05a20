//! One receiver, as it is used.

use std::{path::PathBuf, time::Duration};

use ipnet::IpNet;

use super::url::{ProxyUrl, UrlSource};
use crate::{
    arrival::Name,
    config::units::Rate,
    http::{HeaderName, HeaderValue},
};

/// One receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its lane, and the label in logs and metrics.
    pub name: Name,
    /// Where to post.
    pub url: UrlSource,
    /// Files with one signing secret each, newest first; all sign.
    pub secret_files: Vec<PathBuf>,
    /// The shape of the request.
    pub format: Format,
    /// Headers with a fixed value, in lower case, none of them reserved. The values are secrets.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Headers whose value is in a file; none is also in `headers`.
    pub header_files: Vec<(HeaderName, PathBuf)>,
    /// DNS, TCP and TLS together.
    pub connect_timeout: Duration,
    /// From start to the end of the response headers.
    pub timeout: Duration,
    /// Requests in flight at once.
    pub concurrency: usize,
    /// No more requests than these.
    pub rate_limit: Option<Rate>,
    /// Delay after the first, second, ... failed attempt; the last repeats. Not empty.
    pub retry_delays: Vec<Duration>,
    /// Attempts before an event becomes a dead letter; at least 1.
    pub attempts: u32,
    /// PEM file that replaces the system's roots.
    pub ca_file: Option<PathBuf>,
    /// What we show a receiver that asks who we are.
    pub identity: Option<IdentityFiles>,
    /// Every connection goes through it.
    pub proxy: Option<ProxyUrl>,
    /// Only public addresses are connected to.
    pub deny_private: bool,
    /// Networks that are connected to whatever the guard says.
    pub allow: Vec<IpNet>,
    /// What differs from the outcome table.
    pub statuses: Statuses,
}

/// See [`Endpoint::format`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// The body as stored: the shape of Standard Webhooks.
    #[default]
    Json,
    /// `CloudEvents` 1.0, structured mode.
    CloudEvents,
    /// `CloudEvents` 1.0, binary mode.
    CloudEventsBinary,
}

/// A client certificate, chain included, and its key, both PEM; may be the same file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityFiles {
    /// The certificate first, then what leads to the root.
    pub cert: PathBuf,
    /// PKCS#8, PKCS#1 or SEC1.
    pub key: PathBuf,
}

/// Statuses that mean something else here than in the outcome table. No status is in two lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statuses {
    /// Delivered.
    pub success: Vec<u16>,
    /// Again by the schedule.
    pub retry: Vec<u16>,
    /// A dead letter at once.
    pub permanent: Vec<u16>,
}
