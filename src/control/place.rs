//! Where the control socket is, for the daemon that makes it and for the commands that look for it.
//!
//! A daemon is told from others by its state directory. Its socket lies in a runtime directory, which not
//! everybody who looks knows; so the state directory holds a link to it.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt as _, symlink},
    path::{Path, PathBuf},
    sync::Arc,
};

use tracing::warn;

use crate::{config::checked::Config, front::Service, journal::Journal, vitals::Board};

/// Where the unit of every package has it.
pub const SYSTEM: &str = "/run/watchd/control.sock";

const NAME: &str = "control.sock";

/// Where the daemon of this state directory listens, unless it is configured: in its own runtime directory,
/// in that of its user, or in the state directory itself.
pub fn of(state_dir: &Path) -> PathBuf {
    let variable = |name: &str| {
        let value = std::env::var_os(name).filter(|value| !value.is_empty())?;
        Some(PathBuf::from(value)).filter(|path| path.is_absolute())
    };
    if let Some(own) = variable("RUNTIME_DIRECTORY") {
        return own.join(NAME);
    }
    match variable("XDG_RUNTIME_DIR") {
        Some(of_user) => of_user.join("watchd").join(format!("{}.sock", short_hash(state_dir))),
        None => state_dir.join(NAME),
    }
}

/// The link in the state directory.
pub fn link(state_dir: &Path) -> PathBuf {
    state_dir.join(NAME)
}

/// The socket of this daemon.
#[derive(Debug)]
pub struct Socket {
    at: PathBuf,
    state_dir: PathBuf,
}

impl Socket {
    /// Where the configuration has it.
    pub fn of(config: &Config) -> Self {
        let state_dir = config.state.dir.clone();
        Self { at: config.control.clone().unwrap_or_else(|| of(&state_dir)), state_dir }
    }

    /// What listens there.
    pub fn service(&self, journal: &Journal, board: &Arc<Board>) -> Service {
        if let Err(error) = self.publish() {
            let (socket, state_dir) = (self.at.display(), self.state_dir.display());
            warn!(%socket, %state_dir, %error, "commands may not find the control socket");
        }
        super::routes::service(self.at.clone(), journal.desk(), board)
    }

    /// Makes the directory, for its owner only, and the link.
    fn publish(&self) -> io::Result<()> {
        if let Some(dir) = self.at.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        }
        let link = link(&self.state_dir);
        if link == self.at || fs::read_link(&link).is_ok_and(|target| target == self.at) {
            return Ok(());
        }
        if link.symlink_metadata().is_ok() {
            fs::remove_file(&link)?;
        }
        symlink(&self.at, &link)
    }

    /// Nobody listens any more. What stays behind does no harm: it is replaced.
    pub fn withdraw(&self) {
        for path in [link(&self.state_dir), self.at.clone()] {
            let _stays = fs::remove_file(path);
        }
    }
}

/// A socket's address holds 107 bytes of path: the state directory's own path may be longer.
fn short_hash(state_dir: &Path) -> String {
    let hash = blake3::hash(state_dir.as_os_str().as_encoded_bytes());
    hash.to_hex().chars().take(16).collect()
}
