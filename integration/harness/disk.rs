//! Files in all the ways that they come.

use std::{
    ffi::OsStr,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Creates `count` files at once.
pub(crate) fn create_many(dir: &Path, prefix: &str, count: usize) -> Vec<PathBuf> {
    (0..count).map(|n| create(dir, format!("{prefix}-{n:05}.dat"))).collect()
}

pub(crate) fn create(dir: &Path, name: impl AsRef<OsStr>) -> PathBuf {
    let path = dir.join(name.as_ref());
    fs::write(&path, path.as_os_str().as_encoded_bytes())
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    path
}

/// Moves files by rename from `from`, where they are made first, into `to`.
pub(crate) fn rename_many(from: &Path, to: &Path, prefix: &str, count: usize) -> Vec<PathBuf> {
    let made = create_many(from, prefix, count);
    made.into_iter().map(|path| move_into(&path, to)).collect()
}

pub(crate) fn move_into(path: &Path, dir: &Path) -> PathBuf {
    let target = dir.join(path.file_name().unwrap());
    fs::rename(path, &target).unwrap();
    target
}

/// Makes `dirs` fresh trees `t/a/b/c` and, in the same breath, `each` files in the innermost directory.
pub(crate) fn create_in_new_dirs(root: &Path, dirs: usize, each: usize) -> Vec<PathBuf> {
    let tree = |n: usize| {
        let dir = root.join(format!("t{n}/a/b/c"));
        fs::create_dir_all(&dir).unwrap();
        create_many(&dir, "deep", each)
    };
    (0..dirs).flat_map(tree).collect()
}

/// The names of the file systems where a lease shows whether a writer is there.
pub(crate) fn tells_writers(dir: &Path) -> bool {
    const EXT4: i64 = 0xEF53;
    const XFS: i64 = 0x5846_5342;
    const BTRFS: i64 = 0x9123_683E;
    const TMPFS: i64 = 0x0102_1994;
    const F2FS: i64 = 0xF2F5_2010;
    const OVERLAY: i64 = 0x794C_7630;
    let kind = rustix::fs::statfs(dir).unwrap().f_type;
    [EXT4, XFS, BTRFS, TMPFS, F2FS, OVERLAY].contains(&kind)
}

pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}
