//! What each kind of file system can be trusted with. Pure: a table by the magic number of statfs(2).
//!
//! Unknown kinds get the cautious answer: no events, no lease, unstable inode numbers.

use std::time::Duration;

use crate::arrival::Identity;

/// What to expect of one file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Its name, for the log.
    pub kind: &'static str,
    /// Whether inotify(7) reports every change. Changes made by other hosts, or behind a FUSE daemon,
    /// produce no events.
    pub events: bool,
    /// Whether a refused lease (fcntl(2), `F_SETLEASE`) really means that a writer has the file open.
    /// An NFS client refuses without a delegation, which would look like a writer for ever.
    pub lease: bool,
    /// What a version is made of.
    pub identity: Identity,
    /// The step of mtime: two changes within it look alike.
    pub granularity: Duration,
}

/// Linux ticks at 100 Hz or faster, and mtime is taken from the tick.
const TICK: Duration = Duration::from_millis(10);
const SECOND: Duration = Duration::from_secs(1);
/// Scans within one quiet period where there are no events.
const SCANS_PER_QUIET: u32 = 3;
const TWO_SECONDS: Duration = Duration::from_secs(2);

impl Policy {
    /// The policy for a file system with this magic number (statfs(2), `f_type`).
    pub fn of(magic: u64) -> Self {
        match magic {
            0xef53 => Self::local("ext4"),
            0x5846_5342 => Self::local("xfs"),
            0x9123_683e => Self::local("btrfs"),
            0xf2f5_2010 => Self::local("f2fs"),
            0x0102_1994 => Self::local("tmpfs"),
            0x8584_58f6 => Self::local("ramfs"),
            0x794c_7630 => Self::local("overlay"),
            0xca45_1a4e => Self::local("bcachefs"),
            0x2fc1_2fc1 => Self { lease: false, ..Self::local("zfs") },
            0x4d44 => Self::removable("vfat", TWO_SECONDS),
            0x2011_bab0 => Self::removable("exfat", TWO_SECONDS),
            0x5346_544e | 0x7366_746e => Self::removable("ntfs", TICK),
            0x6969 => Self::remote("nfs", Identity::Inode),
            0xff53_4d42 | 0xfe53_4d42 | 0x517b => Self::remote("smb", Identity::SizeAndTime),
            0x0102_1997 => Self::remote("9p", Identity::SizeAndTime),
            0x6573_5546 => Self::remote("fuse", Identity::SizeAndTime),
            0x00c3_6400 => Self::remote("ceph", Identity::Inode),
            0x6a65_6a63 => Self::remote("virtiofs", Identity::SizeAndTime),
            _ => Self::remote("unknown", Identity::SizeAndTime),
        }
    }

    /// How long a file must stay unchanged here, when `quiet` was asked for.
    ///
    /// Two changes within one step of mtime look alike, so it spans two steps at least. Without events
    /// nothing starts the period again but a look: it spans several scans then, for one of them may be
    /// answered from a cache.
    pub fn quiet(&self, quiet: Duration, poll_interval: Duration) -> Duration {
        let quiet = quiet.max(self.granularity * 2);
        if self.events { quiet } else { quiet.max(poll_interval * SCANS_PER_QUIET) }
    }

    /// What tells two versions of a file apart here, for the log.
    pub fn told_apart_by(&self) -> &'static str {
        match self.identity {
            Identity::Inode => "inode, birth, size, mtime",
            Identity::SizeAndTime => "size, mtime",
        }
    }

    const fn local(kind: &'static str) -> Self {
        Self { kind, events: true, lease: true, identity: Identity::Inode, granularity: TICK }
    }

    /// Inode numbers are made up at mount time (the kernel's `fs/fat/inode.c`).
    const fn removable(kind: &'static str, granularity: Duration) -> Self {
        Self { kind, events: true, lease: false, identity: Identity::SizeAndTime, granularity }
    }

    const fn remote(kind: &'static str, identity: Identity) -> Self {
        Self { kind, events: false, lease: false, identity, granularity: SECOND }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_that_others_write_to_is_polled_and_never_leased() {
        for magic in [0x6969, 0xff53_4d42, 0xfe53_4d42, 0x0102_1997, 0x6573_5546, 0x1234_5678] {
            let policy = Policy::of(magic);
            assert!(!policy.events && !policy.lease, "{policy:?}");
        }
    }

    #[test]
    fn a_stick_that_is_plugged_in_again_does_not_change_identity() {
        assert_eq!(Policy::of(0x4d44).identity, Identity::SizeAndTime);
        assert_eq!(Policy::of(0x2011_bab0).identity, Identity::SizeAndTime);
    }

    #[test]
    fn local_disks_get_events_leases_and_inode_identity() {
        for magic in [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010, 0x0102_1994, 0x794c_7630] {
            let policy = Policy::of(magic);
            assert!(
                policy.events && policy.lease && policy.identity == Identity::Inode,
                "{policy:?}"
            );
        }
    }

    #[test]
    fn the_quiet_period_spans_what_the_file_system_cannot_tell_apart() {
        let (ext4, vfat, nfs) = (Policy::of(0xef53), Policy::of(0x4d44), Policy::of(0x6969));
        let table = [
            (ext4, 2000, 10_000, 2000),
            (ext4, 5, 10_000, 20),
            (vfat, 2000, 10_000, 4000),
            (nfs, 2000, 10_000, 30_000),
            (nfs, 60_000, 10_000, 60_000),
            (nfs, 50, 100, 2000),
        ];
        for (policy, quiet, poll, expected) in table {
            let [quiet, poll, expected] = [quiet, poll, expected].map(Duration::from_millis);
            assert_eq!(policy.quiet(quiet, poll), expected, "{} {quiet:?} {poll:?}", policy.kind);
        }
    }
}
