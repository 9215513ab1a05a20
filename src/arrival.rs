//! The vocabulary that the stages share: what a file is called, which version of it was seen, and the
//! id that follows from both. No behaviour beyond parsing, printing and hashing; no I/O.

use std::{
    ffi::OsStr,
    fmt,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use crate::filesystem::Policy;

/// The name of a watch or an endpoint as configured: `[a-z0-9][a-z0-9-]{0,62}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

impl Name {
    /// The longest name, in bytes.
    pub const LEN_MAX: usize = 63;

    /// Checks the alphabet and the length; `None` when either is wrong.
    pub fn parse(text: &str) -> Option<Self> {
        let lower_or_digit = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let first_ok = text.bytes().next().is_some_and(lower_or_digit);
        let rest_ok = text.bytes().all(|b| lower_or_digit(b) || b == b'-');
        (first_ok && rest_ok && text.len() <= Self::LEN_MAX).then(|| Self(text.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A path relative to the root of its watch: raw bytes, `/` between components, empty for the root.
///
/// Linux names are bytes (`path_resolution(7)`), so this is never converted to text to decide anything.
/// `Debug` and `Display` print it on one line whatever it contains.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelPath(Arc<[u8]>);

impl RelPath {
    /// The root of the watch itself.
    pub fn root() -> Self {
        Self(Arc::from([].as_slice()))
    }

    /// Takes the bytes as they are.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// What `path` is called below `root`; `None` when it is not below it.
    pub fn below(root: &Path, path: &Path) -> Option<Self> {
        path.strip_prefix(root).ok().map(|rel| Self::from_bytes(rel.as_os_str().as_bytes()))
    }

    /// The raw bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether this is the root of the watch.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The entry `name` in this directory.
    #[must_use]
    pub fn join(&self, name: &[u8]) -> Self {
        if self.is_root() {
            return Self::from_bytes(name);
        }
        let mut bytes = Vec::with_capacity(self.0.len() + 1 + name.len());
        bytes.extend_from_slice(&self.0);
        bytes.push(b'/');
        bytes.extend_from_slice(name);
        Self(bytes.into())
    }

    /// The directory that holds this entry; the root is its own parent.
    #[must_use]
    pub fn parent(&self) -> Self {
        let end = self.0.iter().rposition(|b| *b == b'/').unwrap_or(0);
        Self::from_bytes(self.0.get(..end).unwrap_or_default())
    }

    /// The last component.
    pub fn name(&self) -> &[u8] {
        self.0.rsplit(|b| *b == b'/').next().unwrap_or_default()
    }

    /// How many directories lie between the root and this entry: 0 for an entry of the root itself.
    pub fn depth(&self) -> usize {
        self.0.split(|b| *b == b'/').count() - 1
    }

    /// Whether this is `dir` or lies below it.
    pub fn is_within(&self, dir: &Self) -> bool {
        dir.is_root()
            || self
                .0
                .strip_prefix(dir.as_bytes())
                .is_some_and(|rest| matches!(rest.first(), None | Some(b'/')))
    }

    /// The path below `root`.
    pub fn under(&self, root: &Path) -> PathBuf {
        if self.is_root() { root.to_path_buf() } else { root.join(OsStr::from_bytes(&self.0)) }
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Shown(&self.0), f)
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Shown(&self.0), f)
    }
}

/// File name bytes made safe for one log line: printable text stays, everything else is escaped.
///
/// A name can hold newlines, terminal escapes and bytes that are not UTF-8; none of them may forge a log
/// line. Bidirectional and zero-width characters are escaped too, for they forge what a reader sees.
pub struct Shown<'a>(pub &'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                if c == ' ' || c == '\'' || c == '"' {
                    write!(f, "{c}")?;
                } else {
                    write!(f, "{}", c.escape_debug())?;
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// A time of a file: seconds since 1970 (negative before it) and nanoseconds, as statx(2) gives it.
///
/// Not one 64-bit count of nanoseconds: file systems can store years beyond 2262.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// Seconds since 1970.
    pub sec: i64,
    /// Nanoseconds within the second.
    pub nsec: u32,
}

/// What an inode is, as far as selection cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file: the only kind that arrives.
    File,
    /// A directory: walked and watched.
    Dir,
    /// A symbolic link: not followed.
    Symlink,
    /// A FIFO, socket or device: counted as ignored.
    Other,
}

/// What one statx(2) said about an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// What the entry is.
    pub kind: Kind,
    /// The inode number.
    pub ino: u64,
    /// When the inode was born, where the file system tells.
    pub birth: Option<Stamp>,
    /// Length in bytes.
    pub size: u64,
    /// Last change of the content; any program can set it.
    pub mtime: Stamp,
    /// Last change of the inode; no program can set it.
    pub ctime: Stamp,
    /// Who may do what with it, and how many names it has: see [`Witness`].
    pub witness: Witness,
}

/// What explains a change of ctime that is no arrival: a chmod, a chown, another hard link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Witness {
    /// File mode, type bits included.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Number of hard links.
    pub nlink: u32,
}

/// Which parts of a [`Sample`] name a version on this file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Inode numbers are stable: `{ino, btime, size, mtime}`.
    Inode,
    /// Inode numbers change at a remount (vfat, exfat, many FUSE and network ones): `{size, mtime}`.
    SizeAndTime,
}

/// One version of one file. Equal versions are the same arrival.
///
/// Byte layout ([`Version::to_bytes`]), frozen because event ids are made of it:
///
/// | bytes | what |
/// |---|---|
/// | 0 | 1 = inode with birth time, 2 = inode with ctime at settle in its place, 3 = size and mtime only |
/// | 1..9 | inode number, big endian (0 for kind 3) |
/// | 9..17, 17..21 | birth or ctime: seconds, nanoseconds, big endian (0 for kind 3) |
/// | 21..29 | size, big endian |
/// | 29..37, 37..41 | mtime: seconds, nanoseconds, big endian |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    origin: Origin,
    /// Length in bytes.
    pub size: u64,
    /// Last change of the content.
    pub mtime: Stamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Born { ino: u64, birth: Stamp },
    Changed { ino: u64, ctime: Stamp },
    Unknown,
}

impl Version {
    /// Length of [`Version::to_bytes`].
    pub const LEN: usize = 41;

    /// The version that `sample` shows on a file system with this identity.
    pub fn of(sample: &Sample, identity: Identity) -> Self {
        let origin = match (identity, sample.birth) {
            (Identity::SizeAndTime, _) => Origin::Unknown,
            (Identity::Inode, Some(birth)) => Origin::Born { ino: sample.ino, birth },
            (Identity::Inode, None) => Origin::Changed { ino: sample.ino, ctime: sample.ctime },
        };
        Self { origin, size: sample.size, mtime: sample.mtime }
    }

    /// Whether `later`, read while the entry has been there all along, is still this version.
    ///
    /// Without a birth time a changed ctime alone is a chmod, chown, link or xattr and no new version
    /// (DESIGN.md, rulings); only across a gap, when the entry was gone, does it count.
    pub fn still_is(&self, later: &Self) -> bool {
        let same_origin = match (self.origin, later.origin) {
            (Origin::Changed { ino: a, .. }, Origin::Changed { ino: b, .. }) => a == b,
            (a, b) => a == b,
        };
        same_origin && self.size == later.size && self.mtime == later.mtime
    }

    /// The frozen layout described on the type.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let (kind, ino, origin) = match self.origin {
            Origin::Born { ino, birth } => (1, ino, birth),
            Origin::Changed { ino, ctime } => (2, ino, ctime),
            Origin::Unknown => (3, 0, Stamp::default()),
        };
        let mut bytes = [0; Self::LEN];
        let fields: [&[u8]; 7] = [
            &[kind],
            &ino.to_be_bytes(),
            &origin.sec.to_be_bytes(),
            &origin.nsec.to_be_bytes(),
            &self.size.to_be_bytes(),
            &self.mtime.sec.to_be_bytes(),
            &self.mtime.nsec.to_be_bytes(),
        ];
        for (slot, byte) in bytes.iter_mut().zip(fields.into_iter().flatten()) {
            *slot = *byte;
        }
        bytes
    }

    /// Reads [`Version::to_bytes`] back; `None` when the bytes are not of that layout.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        let (ino, rest) = rest.split_first_chunk::<8>()?;
        let (origin, rest) = take_stamp(rest)?;
        let (size, rest) = rest.split_first_chunk::<8>()?;
        let (mtime, rest) = take_stamp(rest)?;
        let ino = u64::from_be_bytes(*ino);
        let origin = match kind {
            1 => Origin::Born { ino, birth: origin },
            2 => Origin::Changed { ino, ctime: origin },
            3 => Origin::Unknown,
            _ => return None,
        };
        rest.is_empty().then_some(Self { origin, size: u64::from_be_bytes(*size), mtime })
    }
}

fn take_stamp(bytes: &[u8]) -> Option<(Stamp, &[u8])> {
    let (sec, rest) = bytes.split_first_chunk::<8>()?;
    let (nsec, rest) = rest.split_first_chunk::<4>()?;
    Some((Stamp { sec: i64::from_be_bytes(*sec), nsec: u32::from_be_bytes(*nsec) }, rest))
}

/// The id of an event: `evt_` and 32 lower-case hex digits.
///
/// BLAKE3, cut to 128 bits, over four fields, each preceded by its length as a big-endian u32: instance,
/// watch name, path bytes, [`Version::to_bytes`]. Nothing else: a retry, a replay, a crash or a lost
/// database gives the same id (P3). A frozen vector in the tests pins it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId(pub [u8; 16]);

impl EventId {
    /// The id of this version of this file.
    pub fn of(instance: &str, watch: &Name, path: &RelPath, version: &Version) -> Self {
        let mut hash = blake3::Hasher::new();
        for field in
            [instance.as_bytes(), watch.as_str().as_bytes(), path.as_bytes(), &version.to_bytes()]
        {
            hash.update(&u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
            hash.update(field);
        }
        let mut id = [0; 16];
        hash.finalize_xof().fill(&mut id);
        Self(id)
    }

    /// Reads `evt_…` back.
    pub fn parse(text: &str) -> Option<Self> {
        let hex = text.strip_prefix("evt_")?;
        if hex.len() != 32
            || hex.bytes().any(|b| !b.is_ascii_digit() && !(b'a'..=b'f').contains(&b))
        {
            return None;
        }
        u128::from_str_radix(hex, 16).ok().map(|id| Self(id.to_be_bytes()))
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "evt_{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How a file came to our notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The kernel reported something: its quiet period starts again.
    Event,
    /// A scan saw it and the journal does not know this version.
    Scan,
    /// As `Scan`, during the first complete scan of its watch: marked `initial` in the body.
    InitialScan,
}

/// Stage 1 to 2: a selected entry was seen, and this is how it looked.
#[derive(Clone, Debug)]
pub struct Sighting {
    /// Which file.
    pub path: RelPath,
    /// How it looked; `None` when only its marker was seen.
    pub sample: Option<Sample>,
    /// How it was found.
    pub found: Found,
}

/// What the watch stage tells the settle stage of the same root.
#[derive(Clone, Debug)]
pub enum Report {
    /// The root was found and armed; this is what its file system can be trusted with.
    Armed(Policy),
    /// Entries that were seen, in the order they were looked at.
    Seen(Vec<Sighting>),
}

/// Stage 2 to 3: the file is whole and nobody is writing it.
#[derive(Clone, Debug)]
pub struct Settled {
    /// Which file.
    pub path: RelPath,
    /// Its version at the probe.
    pub version: Version,
    /// Whether it was there before the first complete scan of its watch ended.
    pub initial: bool,
}

/// What the journal answered to one [`Settled`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// A new arrival, on stable storage.
    New(EventId),
    /// This version was announced before.
    AlreadySeen,
    /// The outbox is full or the journal is not usable: hold on to the file and come again.
    NoRoom,
}

/// Stage 1 asks stage 3: an entry that a scan found, and the version it shows.
#[derive(Clone, Debug)]
pub struct Present {
    /// Which file.
    pub path: RelPath,
    /// How it looks now, settled or not.
    pub version: Version,
}

/// What settling needs of the journal. One watch's view of it; it blocks its own thread.
pub trait Recorder: Send {
    /// Makes arrivals of these files, in this order; returns once they are on stable storage (P4). One
    /// answer for each.
    fn record(&self, batch: Vec<Settled>) -> Vec<Recorded>;
}

/// What one complete scan of a whole watch found.
#[derive(Clone, Copy, Debug)]
pub struct Scanned {
    /// How many entries the journal knew, as [`Memory::recall`] answered.
    pub known: u64,
    /// The file system's own id: tombstones are made only where it has not changed.
    pub filesystem: u64,
}

/// What scanning needs of the journal. One watch's view of it; every call blocks its own thread.
pub trait Memory: Send {
    /// Which of `entries` the journal does not know at this version.
    fn recall(&self, entries: Vec<Present>) -> Result<Vec<Recall>, Unavailable>;

    /// Records `entries` as known without announcing them.
    fn baseline(&self, entries: Vec<Present>) -> Result<(), Unavailable>;

    /// How the first complete scan of this watch is to treat what it finds; `None` once it has ended.
    fn first_scan(&self) -> Result<Option<FirstScan>, Unavailable>;

    /// A complete scan has ended. True when the journal remembers entries that the scan did not meet.
    fn scanned(&self, scan: Scanned) -> Result<bool, Unavailable>;

    /// Some remembered entries after `after` in path order, to be looked at; empty at the end.
    fn remembered(&self, after: RelPath) -> Result<Vec<RelPath>, Unavailable>;

    /// These entries are gone: kept as tombstones for a while, then forgotten.
    fn gone(&self, paths: Vec<RelPath>) -> Result<(), Unavailable>;
}

/// One answer of [`Memory::recall`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recall {
    /// Committed before at this version.
    Known,
    /// New, or changed since.
    Unknown,
}

/// See [`Memory::first_scan`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstScan {
    /// As configured.
    AsConfigured,
    /// The database was lost: nothing may become a silent baseline, everything is announced again under
    /// its old id.
    AfterLoss,
}

/// Why an attempt did not deliver, in a form that carries no secret (P10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Outcome class in lower case: `retry`, `slow`, `config`, `reject`, `gone`, `local`.
    pub class: &'static str,
    /// HTTP status, when the receiver answered.
    pub status: Option<u16>,
    /// One line for a person.
    pub reason: String,
}

/// Stage 3 to 4: one event that is due at one endpoint.
#[derive(Clone, Debug)]
pub struct Due {
    /// Position in the journal; unique, in commit order.
    pub seq: i64,
    /// The event.
    pub event: EventId,
    /// Which watch it came from.
    pub watch: Name,
    /// Which file, for logs.
    pub path: RelPath,
    /// The bytes to send, fixed at commit.
    pub body: Arc<[u8]>,
    /// Attempts charged so far.
    pub attempts: u32,
}

/// What [`Outbox::due`] found.
#[derive(Clone, Debug, Default)]
pub struct DueBatch {
    /// Events to send now, oldest first; at most as many as asked for.
    pub events: Vec<Due>,
    /// When the next one that is not yet due becomes due, if any.
    pub next_in: Option<Duration>,
    /// How many more wait for this endpoint beyond `events`, due or not.
    pub waiting: u64,
}

/// Stage 4 to 3: how one attempt ended.
#[derive(Clone, Debug)]
pub enum Conclusion {
    /// Accepted by the receiver.
    Delivered,
    /// Charged as an attempt; due again after `delay`.
    Retry {
        /// Attempts charged, this one included.
        attempts: u32,
        /// Wait at least so long.
        delay: Duration,
        /// Why.
        refusal: Refusal,
    },
    /// Given up: kept as a dead letter.
    Dead {
        /// Attempts charged, this one included.
        attempts: u32,
        /// Why.
        refusal: Refusal,
    },
}

/// A fingerprint of an endpoint's URL: tells whether it changed, without storing it (P10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UrlPrint(pub [u8; 16]);

/// The journal cannot answer now (it is being opened, repaired, or its disk fails): ask again later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the journal is not usable now")]
pub struct Unavailable;

/// What delivery needs of the journal. One endpoint's view of it.
pub trait Outbox {
    /// Events of `endpoint` that are due, without those in `held` (already with the lane), at most
    /// `limit` of them and about `bytes_max` of bodies. All are committed to stable storage (P4); of one
    /// path only the oldest is ever returned (P5).
    fn due(
        &self,
        endpoint: &Name,
        held: Vec<i64>,
        limit: usize,
    ) -> impl Future<Output = Result<DueBatch, Unavailable>>;

    /// Stores how an attempt of event `seq` ended; returns once it is on stable storage.
    fn conclude(
        &self,
        endpoint: &Name,
        seq: i64,
        conclusion: Conclusion,
    ) -> impl Future<Output = Result<(), Unavailable>>;

    /// Makes every waiting event of `endpoint` due at once (the endpoint has come back).
    fn release(&self, endpoint: &Name) -> impl Future<Output = Result<(), Unavailable>>;

    /// Remembers that `endpoint` answered 410 Gone at the URL with this fingerprint: nothing more is sent
    /// until the URL changes or an operator resumes it.
    fn park(&self, endpoint: &Name, url: UrlPrint)
    -> impl Future<Output = Result<(), Unavailable>>;

    /// Whether `endpoint` was parked at exactly this URL.
    fn is_parked(
        &self,
        endpoint: &Name,
        url: UrlPrint,
    ) -> impl Future<Output = Result<bool, Unavailable>>;

    /// Waits until something new may be due for any endpoint.
    fn woken(&self) -> impl Future<Output = ()>;
}

#[cfg(test)]
mod tests;
