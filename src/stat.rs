//! What the file system says about a path: the only file that calls statx(2) and statfs(2).
//!
//! `std::fs` reads the birth time on glibc only; the static musl binary needs statx itself.

use std::{
    io,
    os::fd::{AsFd, AsRawFd},
    path::Path,
};

use rustix::{
    fs::{
        AtFlags, CWD, FileType, Mode, OFlags, Statx, StatxAttributes, StatxFlags, StatxTimestamp,
    },
    io::Errno,
};

use crate::{
    arrival::{Kind, Sample, Stamp, Witness},
    filesystem::Policy,
};

const WANTED: StatxFlags = StatxFlags::BASIC_STATS.union(StatxFlags::BTIME);

/// The entry at `path`, a symbolic link not followed.
pub fn entry(path: &Path) -> io::Result<Sample> {
    entry_at(CWD, path)
}

/// As [`entry`], asked of whoever keeps the file: a client of a network file system may otherwise answer
/// from a copy that is a minute old, and two such answers look like a file that stays unchanged.
pub fn entry_at_source(path: &Path) -> io::Result<Sample> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::STATX_FORCE_SYNC;
    Ok(sample(&rustix::fs::statx(CWD, path, flags, WANTED)?))
}

/// Whether there is an entry at `path`, of whatever kind. Only a clear "not there" is a no.
pub fn exists(path: &Path) -> io::Result<bool> {
    match entry(path) {
        Ok(_) => Ok(true),
        Err(error) if is_absence(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether an error says that there is nothing, and not merely that nobody could look.
pub fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Whether an error says that this machine lacks something for the moment: descriptors or memory. That is over
/// without an event that would tell.
pub fn is_shortage(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(errno, Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM))
}

/// The entry `name` in the open directory `dir`, a symbolic link not followed.
pub fn entry_at<P: rustix::path::Arg>(dir: impl AsFd, name: P) -> io::Result<Sample> {
    let stat = rustix::fs::statx(dir, name, AtFlags::SYMLINK_NOFOLLOW, WANTED)?;
    Ok(sample(&stat))
}

/// The open file `fd`.
pub fn opened(fd: impl AsFd) -> io::Result<Sample> {
    let stat = rustix::fs::statx(fd, c"", AtFlags::EMPTY_PATH, WANTED)?;
    Ok(sample(&stat))
}

/// Which directory a path means: device (major, minor) and inode. Not kept across restarts, device numbers
/// are not stable.
pub type DirId = (u32, u32, u64);

/// Which directory `path` means now; `follow`: also through a symbolic link.
pub fn dir_id(path: &Path, follow: bool) -> io::Result<DirId> {
    let flags = if follow { AtFlags::empty() } else { AtFlags::SYMLINK_NOFOLLOW };
    id_of(&rustix::fs::statx(CWD, path, flags, WANTED)?)
}

fn id_of(stat: &Statx) -> io::Result<DirId> {
    if FileType::from_raw_mode(stat.stx_mode.into()) != FileType::Directory {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    Ok((stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino))
}

/// Which directory a path means now, and what it lives on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Another value means another directory, or something mounted over it.
    pub dir: DirId,
    /// Whether something is mounted exactly here.
    pub is_mount: bool,
    /// The file system's own id (statfs(2), `f_fsid`).
    pub filesystem: u64,
    /// What to expect of the file system.
    pub policy: Policy,
}

/// The directory at `path`, symbolic links followed: the operator may have configured one.
pub fn place(path: &Path) -> io::Result<Place> {
    let stat = rustix::fs::statx(CWD, path, AtFlags::empty(), WANTED)?;
    let dir = id_of(&stat)?;
    let fs = rustix::fs::statfs(path)?;
    Ok(Place {
        dir,
        is_mount: if stat.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT) {
            stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)
        } else {
            is_mount(path)?
        },
        filesystem: rustix::fs::statvfs(path)?.f_fsid,
        policy: Policy::of(magic(&fs)),
    })
}

/// Whether something is mounted exactly at `path`, where statx(2) does not say so (before Linux 5.8): then it
/// belongs to another mount than the directory above it, or there is none above it.
fn is_mount(path: &Path) -> io::Result<bool> {
    let above = path.join("..");
    Ok(mount_id(path)? != mount_id(&above)? || dir_id(path, true)? == dir_id(&above, true)?)
}

/// The number of the mount that `path` belongs to (proc(5), `mnt_id` in fdinfo).
fn mount_id(path: &Path) -> io::Result<u64> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(CWD, path, flags, Mode::empty())?;
    let told = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_raw_fd()))?;
    let id = told.lines().find_map(|line| line.strip_prefix("mnt_id:")?.trim().parse().ok());
    id.ok_or_else(|| io::Error::other("the kernel does not say which mount this is"))
}

/// Whether the directory at `path` may be listed and entered. Without the first it would look like one that
/// never fills.
pub fn may_list(path: &Path) -> io::Result<()> {
    use rustix::fs::Access;
    Ok(rustix::fs::access(path, Access::READ_OK | Access::EXEC_OK)?)
}

/// Room on a file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// What this process may still write.
    pub free: u64,
    /// All of it.
    pub total: u64,
}

/// The room on the file system that holds `path` (statvfs(3)).
pub fn space(path: &Path) -> io::Result<Space> {
    let fs = rustix::fs::statvfs(path)?;
    let bytes = |blocks: u64| blocks.saturating_mul(fs.f_frsize);
    Ok(Space { free: bytes(fs.f_bavail), total: bytes(fs.f_blocks) })
}

/// The policy of the file system that holds an open file or directory.
pub fn policy(fd: impl AsFd) -> io::Result<Policy> {
    Ok(Policy::of(magic(&rustix::fs::fstatfs(fd)?)))
}

/// The policy of the file system that holds `path`.
pub fn place_policy(path: &Path) -> io::Result<Policy> {
    Ok(Policy::of(magic(&rustix::fs::statfs(path)?)))
}

/// `f_type` is signed on some targets and 32 bits wide on others; magic numbers are 32 bits everywhere.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "see above")]
fn magic(fs: &rustix::fs::StatFs) -> u64 {
    u64::from(fs.f_type as u32)
}

fn sample(stat: &Statx) -> Sample {
    let kind = match FileType::from_raw_mode(stat.stx_mode.into()) {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Dir,
        FileType::Symlink => Kind::Symlink,
        _ => Kind::Other,
    };
    let has_birth = StatxFlags::from_bits_retain(stat.stx_mask).contains(StatxFlags::BTIME);
    Sample {
        kind,
        ino: stat.stx_ino,
        birth: has_birth.then(|| stamp(stat.stx_btime)),
        size: stat.stx_size,
        mtime: stamp(stat.stx_mtime),
        ctime: stamp(stat.stx_ctime),
        witness: Witness {
            mode: stat.stx_mode.into(),
            uid: stat.stx_uid,
            gid: stat.stx_gid,
            nlink: stat.stx_nlink,
        },
    }
}

fn stamp(time: StatxTimestamp) -> Stamp {
    Stamp { sec: time.tv_sec, nsec: time.tv_nsec }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer of kernels before 5.8, held against that of this one, where it has one.
    #[test]
    fn a_mount_is_known_by_the_directory_above_it_as_well_as_by_its_attribute() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("/proc", &link).unwrap();
        for path in ["/", "/proc", "/proc/self", "/proc/sys/kernel", "/dev", "/dev/shm", "/usr"] {
            let path = Path::new(path);
            let stat = rustix::fs::statx(CWD, path, AtFlags::empty(), WANTED);
            let Ok(stat) = stat else { continue };
            if stat.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT) {
                let told = stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT);
                assert_eq!(is_mount(path).unwrap(), told, "{}", path.display());
            }
        }
        for (path, mounted) in [(link.as_path(), true), (dir.path(), false)] {
            assert_eq!(is_mount(path).unwrap(), mounted, "{}", path.display());
        }
    }

    #[test]
    fn only_a_clear_absence_is_a_no() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(exists(&file).unwrap());
        assert!(!exists(&dir.path().join("missing")).unwrap());
        assert!(!exists(&file.join("below a file")).unwrap());
        assert!(exists(&dir.path().join("x".repeat(300))).is_err(), "too long to be looked at");
    }
}
