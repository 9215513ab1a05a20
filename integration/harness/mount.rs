//! File systems that a proof mounts; only root may.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// A mount, taken away again when it is dropped.
pub(crate) struct Mount(PathBuf);

impl Mount {
    /// Mounts a fresh file system of this kind; `None` where that is not allowed.
    pub(crate) fn fresh(kind: &str, at: &Path) -> Option<Self> {
        Self::fresh_with(kind, at, &[])
    }

    /// As [`Mount::fresh`], with options of `mount`.
    pub(crate) fn fresh_with(kind: &str, at: &Path, options: &[&str]) -> Option<Self> {
        let mut command = Command::new("mount");
        command.args(options).args(["-t", kind, "watchd-proof"]).arg(at);
        Self::by(command, at)
    }

    /// Shows the directory `from` at `at`, too.
    pub(crate) fn bind(from: &Path, at: &Path) -> Option<Self> {
        let mut command = Command::new("mount");
        command.arg("--bind").arg(from).arg(at);
        Self::by(command, at)
    }

    /// Mounts the file system that `image` holds, through a loop device.
    pub(crate) fn image(image: &Path, at: &Path) -> Option<Self> {
        let mut command = Command::new("mount");
        command.args(["-o", "loop"]).arg(image).arg(at);
        Self::by(command, at)
    }

    fn by(mut command: Command, at: &Path) -> Option<Self> {
        let output = command.output().ok()?;
        output.status.success().then(|| Self(at.to_path_buf()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily: a daemon that is being killed may still look at it.
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}
