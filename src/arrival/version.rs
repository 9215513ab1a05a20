//! How a file looked, and which version of it that is.

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
    /// (xattrs and labels change it for whole archives at once); only across a gap, when the entry was gone, does it count.
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
