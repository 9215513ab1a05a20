//! What can be wrong with a configuration, and the way out of each.

use std::{fmt, io, ops::Range, path::PathBuf, time::Duration};

use ipnet::IpNet;

use super::{
    checked::{BadHeader, BadUrl},
    units::{BadPeriod, BadRate, BadSize, show_period},
};
use crate::{arrival::Shown, secret::BadSecret};

/// One thing that is wrong.
#[derive(Debug)]
pub struct Problem {
    /// The key, dotted; empty when it is about the whole.
    pub(super) key: String,
    /// What.
    pub(super) wrong: Wrong,
    /// Where.
    pub(super) place: Place,
    /// The other side of a contradiction: its key and place.
    pub(super) other: Option<(String, Place)>,
    /// A warning does not stop anything.
    pub(super) is_warning: bool,
}

/// Where a problem was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In these bytes of the file.
    Span(Range<usize>),
    /// In the environment variable of this name.
    Variable(String),
    /// In this flag.
    Flag(String),
    /// Nowhere in particular.
    Whole,
}

impl Place {
    /// Top of the file first, what is in no file last.
    pub(super) fn order(&self) -> (u8, usize, String) {
        match self {
            Self::Span(span) => (0, span.start, String::new()),
            Self::Variable(name) => (1, 0, name.clone()),
            Self::Flag(name) => (2, 0, name.clone()),
            Self::Whole => (3, 0, String::new()),
        }
    }
}

impl Problem {
    /// One that stops the start.
    pub(super) fn new(key: &str, wrong: Wrong, place: Place) -> Self {
        Self { key: key.to_owned(), wrong, place, other: None, is_warning: false }
    }

    /// The same, but stopping nothing.
    pub(super) fn into_warning(self) -> Self {
        Self { is_warning: true, ..self }
    }

    /// The key, dotted; empty when it is about the whole.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Whether the configuration can be used all the same.
    pub fn is_warning(&self) -> bool {
        self.is_warning
    }

    /// What is wrong.
    pub fn wrong(&self) -> &Wrong {
        &self.wrong
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.key.is_empty() {
            write!(f, "`{}`: ", Shown(self.key.as_bytes()))?;
        }
        fmt::Display::fmt(&self.wrong, f)
    }
}

/// What is wrong. None of these carries text that may be secret (P10).
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message of each is its documentation")]
pub enum Wrong {
    // ---- the file as a whole
    #[error("the file cannot be read: {0}")]
    Unreadable(io::ErrorKind),
    #[error("the file is larger than {} KiB", .0 / 1024)]
    TooLarge(u64),
    #[error("the file is not UTF-8 text: see byte {at}")]
    NotText { at: usize },
    #[error("this is not TOML: {}", Shown(message.as_bytes()))]
    Syntax { message: String },
    #[error("the file sets nothing")]
    Empty,
    #[error("no directory to watch")]
    NoWatch,
    #[error("nowhere to announce to")]
    NoEndpoint,

    // ---- names and types
    #[error("unknown key")]
    UnknownKey { near: Option<&'static str>, known: &'static [&'static str] },
    #[error("`{}` is not one of its words", Shown(word.as_bytes()))]
    UnknownWord { word: String, near: Option<&'static str>, known: &'static [&'static str] },
    #[error("this is {found}, and must be {expected}")]
    Type { found: String, expected: String, unitless: Option<u64> },
    #[error("not UTF-8 text")]
    Encoding,

    // ---- values
    #[error("{0}")]
    Period(BadPeriod),
    #[error("{0}")]
    Size(BadSize),
    #[error("too short: at least {} is needed", show_period(*.least))]
    TooShort { least: Duration },
    #[error("{number} is out of range: {least} to {most} are possible")]
    Range { number: u64, least: u64, most: u64 },
    #[error("the list is empty")]
    EmptyList,
    #[error("bad glob pattern: {reason}")]
    Glob { reason: String },
    #[error("bad name")]
    Name,
    #[error("missing")]
    Missing { example: &'static str },
    #[error("the path is relative")]
    RelativePath,
    #[error("the path has a `..` in it")]
    DotDot,
    #[error("no file can have this name")]
    FileName,
    #[error("{0}")]
    Url(BadUrl),
    #[error("this is a secret or a URL itself, where the name of a file is needed")]
    InlineSecret,
    #[error("{0}")]
    Proxy(BadUrl),
    #[error("{0}")]
    Header(BadHeader),
    #[error("{0}")]
    Rate(BadRate),
    #[error("this is no network")]
    Network,
    #[error("bits are set behind the prefix")]
    NetworkBits { network: IpNet },
    #[error("the marker must contain `{{name}}` exactly once")]
    MarkerName,
    #[error("the marker must differ from the name of the file")]
    MarkerSame,
    #[error("a marker lies beside its file: `/` is not possible in it")]
    MarkerSlash,
    #[error("not a log filter")]
    Filter,
    #[error("neither an address with a port nor a unix socket")]
    Listen,
    #[error("an instance is 1 to 128 visible characters")]
    Instance,
    #[error("the size limits exclude every file")]
    SizeOrder,

    // ---- contradictions
    #[error("both a URL and a file with a URL are given")]
    TwoUrls,
    #[error("neither a URL nor a file with a URL is given")]
    NoUrl,
    #[error("this header has a value and a file with a value")]
    TwoHeaders,
    #[error("{status} is in two of the lists")]
    StatusTwice { status: u64 },
    #[error("`{missing}` is missing")]
    HalfIdentity { missing: &'static str },
    #[error("no endpoint of the name `{}` is defined", Shown(.name.as_bytes()))]
    Undefined { name: String, near: Option<String>, known: Vec<String> },
    #[error("named twice: `{}`", Shown(.name.as_bytes()))]
    Twice { name: String },
    #[error("missing, and there are {} endpoints to choose from", .known.len())]
    WhichEndpoint { known: Vec<String> },
    #[error("the flag needs exactly one endpoint, and there are {}", .known.len())]
    WhichEndpointFlag { known: Vec<String> },
    #[error("this directory lies in that of another watch")]
    Nested,
    #[error("the journal's own directory, `state.dir`, lies in this watched one")]
    StateWatched,
    #[error("this directory is watched twice")]
    SameDirectory,
    #[error("not available in watchd {}", env!("CARGO_PKG_VERSION"))]
    NotAvailable,
    #[error(
        "there is no place for the state: neither STATE_DIRECTORY, XDG_STATE_HOME nor HOME is set"
    )]
    NoHome,

    // ---- the file system, for `watchd check`
    #[error("there is no `{}`", shown(.path))]
    Absent { path: PathBuf },
    #[error("`{}` is not a directory", shown(.path))]
    NotDirectory { path: PathBuf },
    #[error("`{}` cannot be {action}: {kind}", shown(.path))]
    Denied { path: PathBuf, action: &'static str, kind: io::ErrorKind },
    #[error("`{}` holds no usable secret: {bad}", shown(.path))]
    Secret { path: PathBuf, bad: BadSecret },
    #[error("`{}` holds no usable URL: {bad}", shown(.path))]
    UrlFile { path: PathBuf, bad: BadUrl },
    #[error("`{}` holds no usable header: {bad}", shown(.path))]
    HeaderFile { path: PathBuf, bad: BadHeader },
    #[error("`{}` holds no certificate", shown(.path))]
    NoCertificate { path: PathBuf },
    #[error("`{}` holds no private key", shown(.path))]
    NoKey { path: PathBuf },
    #[error("`{}` is not the key of the certificate", shown(.path))]
    OtherKey { path: PathBuf },
}

fn shown(path: &std::path::Path) -> Shown<'_> {
    Shown(std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()))
}
