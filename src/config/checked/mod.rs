//! The configuration as used: every value valid, every glob compiled. Only [`super::load`] makes one.

mod endpoint;
mod header;
mod url;

use std::{fmt, net::SocketAddr, path::PathBuf, time::Duration};

use crate::{
    arrival::{Name, RelPath},
    globs::Selection,
};

pub use self::{
    endpoint::{Endpoint, Format, IdentityFiles, Statuses},
    header::{BadHeader, HEADER_LEN_MAX, header_name, header_value},
    url::{BadUrl, ProxyUrl, SecretUrl, UrlSource},
};

/// A whole, valid configuration.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Part of every event id.
    pub instance: Instance,
    /// At least one.
    pub watches: Vec<Watch>,
    /// At least one.
    pub endpoints: Vec<Endpoint>,
    /// Where the journal lives and how large it may grow.
    pub state: State,
    /// How long in-flight requests may take after SIGTERM.
    pub drain: Duration,
    /// Where the pages are served.
    pub listen: Option<Address>,
    /// How it asks itself whether it is well.
    pub self_check: SelfCheck,
    /// When it ends by itself to be started again.
    pub restart: Restart,
    /// What is logged, and how.
    pub log: Log,
    /// Where the control socket is; `None`: where it always is.
    pub control: Option<PathBuf>,
    /// The endpoint that is told of the daemon's own fate; it is defined.
    pub operations: Option<Name>,
    /// Who is pinged while all is well.
    pub heartbeat: Option<Heartbeat>,
}

/// Where the instance id comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Instance {
    /// Derived from `/etc/machine-id`, or random where there is none; kept in the state directory.
    Auto,
    /// Given by the operator.
    Given(String),
}

/// One watched directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// Part of every event id.
    pub name: Name,
    /// Absolute.
    pub path: PathBuf,
    /// Where its arrivals are announced; each is defined.
    pub endpoints: Vec<Name>,
    /// Whether subdirectories are watched.
    pub recursive: bool,
    /// How many directories deep.
    pub max_depth: usize,
    /// Which names count.
    pub selection: Selection,
    /// Smaller files are ignored, in bytes.
    pub size_min: u64,
    /// Larger files are ignored, in bytes.
    pub size_max: Option<u64>,
    /// How long a file must stay unchanged.
    pub quiet: Duration,
    /// Whether the lease probe may be used where the file system supports it.
    pub writer_detection: bool,
    /// Files wait for their marker.
    pub done_marker: Option<Marker>,
    /// What becomes of files that are there at the first complete scan.
    pub initial: Initial,
    /// Suspended while nothing is mounted at `path`.
    pub require_mount: bool,
    /// How changes are noticed.
    pub backend: Backend,
    /// Scan interval without kernel events.
    pub poll_interval: Duration,
    /// Safety scan interval with kernel events.
    pub rescan_interval: Duration,
    /// A file that does not settle for so long is named in a warning.
    pub stuck_after: Duration,
}

impl Watch {
    /// How many directories there may be between the root and a file.
    pub fn depth_max(&self) -> usize {
        if self.recursive { self.max_depth } else { 0 }
    }

    /// Whether a directory of this name is watched and scanned.
    pub fn enters(&self, dir: &RelPath) -> bool {
        dir.is_root() || (dir.depth() < self.depth_max() && self.selection.enters_dir(dir))
    }

    /// Whether a file of this size counts.
    pub fn takes_size(&self, size: u64) -> bool {
        size >= self.size_min && self.size_max.is_none_or(|max| size <= max)
    }
}

/// The name of a marker file, `{name}` standing for the file that it releases: a prefix and a suffix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker {
    /// Before `{name}`.
    pub prefix: Vec<u8>,
    /// After `{name}`.
    pub suffix: Vec<u8>,
}

impl Marker {
    /// The marker that releases `file`.
    #[must_use]
    pub fn of(&self, file: &RelPath) -> RelPath {
        file.parent().join(&[&self.prefix, file.name(), &self.suffix].concat())
    }

    /// The file that `path` releases, if it is named like a marker.
    pub fn released_by(&self, path: &RelPath) -> Option<RelPath> {
        let name = path.name().strip_prefix(self.prefix.as_slice())?;
        let name = name.strip_suffix(self.suffix.as_slice())?;
        (!name.is_empty()).then(|| path.parent().join(name))
    }
}

/// See [`Watch::initial`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initial {
    /// Announce them, marked `initial`.
    Deliver,
    /// Record them silently.
    Baseline,
}

/// See [`Watch::backend`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// By the kind of file system.
    Auto,
    /// Kernel events.
    Events,
    /// Scans only.
    Poll,
}

/// A dead man's switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// Pinged; with `/fail` at the end of its path when all is not well.
    pub url: UrlSource,
    /// Between two pings; at least a second.
    pub interval: Duration,
}

/// The journal's place and limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Absolute; made when missing.
    pub dir: PathBuf,
    /// Events that wait for delivery, over all endpoints.
    pub outbox_events_max: u64,
    /// Bytes of bodies that wait.
    pub outbox_bytes_max: u64,
    /// Dead letters kept; the oldest go first.
    pub dead_events_max: u64,
}

/// Asking `/health` over the listener that everybody else uses. Without a listener it does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelfCheck {
    /// Time between two questions.
    pub interval: Duration,
    /// Wrong answers in a row until the daemon ends.
    pub failures: u32,
}

/// Ending to be started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restart {
    /// The age that is never passed.
    pub max_age: Option<Duration>,
    /// Whether another program at our path is restarted into.
    pub on_binary_change: bool,
}

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// At an address and port; port 0 is any that is free.
    Tcp(SocketAddr),
    /// At a unix socket, by its absolute path.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// A tracing filter: a level, or `target=level` directives.
    pub filter: String,
    /// Shape of the lines.
    pub format: LogFormat,
}

/// See [`Log::format`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, journal priorities when stderr is the journal, text otherwise.
    Auto,
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
    /// Lines with `<N>` priorities for journald.
    Journal,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_file_and_its_marker_name_each_other(
            prefix in "[a.]{0,3}", name in "[a.]{1,4}", suffix in "[a.]{0,3}", dir in "(d|d/e)?",
        ) {
            prop_assume!(!prefix.is_empty() || !suffix.is_empty());
            let marker = Marker { prefix: prefix.into(), suffix: suffix.into() };
            let file = RelPath::from_bytes(dir.as_bytes()).join(name.as_bytes());
            let named = marker.of(&file);
            prop_assert_eq!(named.parent(), file.parent());
            prop_assert_eq!(marker.released_by(&named), Some(file));
        }
    }

    #[test]
    fn a_name_that_is_all_marker_releases_nothing() {
        let marker = Marker { prefix: b"ok-".to_vec(), suffix: b".done".to_vec() };
        for name in ["ok-.done", "x.done", "ok-x", "ok-", ""] {
            assert_eq!(marker.released_by(&RelPath::from_bytes(name.as_bytes())), None, "{name}");
        }
    }
}
