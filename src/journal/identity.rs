//! Whose state directory this is: the instance id, and the lock.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    path::Path,
};

use tracing::warn;

use super::store::sync_dir;
use crate::config::checked::Instance;

/// The file that holds the instance id. Present without a database, it means that the database was lost.
const INSTANCE: &str = "instance";
const LOCK: &str = "lock";

/// What the `instance` file said.
pub(crate) struct Identity {
    /// Part of every event id.
    pub(crate) instance: String,
    /// It was there already: this is not the first start in this directory.
    pub(crate) is_known: bool,
    is_kept: bool,
}

impl Identity {
    /// Writes the file, if that is needed. Only once there is a database: the file without one means that
    /// the database was lost, and a first start that is interrupted is no loss.
    pub(crate) fn keep(&self, dir: &Path) -> io::Result<()> {
        if self.is_kept { Ok(()) } else { keep(dir, &self.instance) }
    }
}

/// Reads the instance id of `dir`, or makes one.
pub(crate) fn identify(dir: &Path, wanted: &Instance) -> io::Result<Identity> {
    let path = dir.join(INSTANCE);
    let kept = match fs::read_to_string(&path) {
        Ok(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let is_known = kept.is_some();
    let instance = match (wanted, &kept) {
        (Instance::Given(given), _) => given.clone(),
        (Instance::Auto, Some(kept)) => kept.clone(),
        (Instance::Auto, None) => derive()?,
    };
    if let Some(kept) = &kept
        && *kept != instance
    {
        warn!(was = %kept, now = %instance, "the instance changed: every event id changes with it");
    }
    let is_kept = kept.as_ref() == Some(&instance);
    Ok(Identity { instance, is_known, is_kept })
}

/// The instance id for who only wants to know it. What cannot be read is taken for not there.
pub(crate) fn known_as(dir: &Path, wanted: &Instance) -> io::Result<String> {
    identify(dir, wanted).map(|identity| identity.instance).or_else(|_| derive())
}

/// What this machine calls itself, for bodies.
pub(crate) fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// A hash of the machine id for this application only: the raw value is confidential (machine-id(5)).
fn derive() -> io::Result<String> {
    let machine = fs::read_to_string("/etc/machine-id").unwrap_or_default();
    let mut id = [0_u8; 16];
    if machine.trim().is_empty() {
        fill_random(&mut id)?;
    } else {
        blake3::Hasher::new_derive_key("watchd instance id, version 1")
            .update(machine.trim().as_bytes())
            .finalize_xof()
            .fill(&mut id);
    }
    Ok(format!("{:032x}", u128::from_be_bytes(id)))
}

fn fill_random(bytes: &mut [u8]) -> io::Result<()> {
    let got = rustix::rand::getrandom(&mut *bytes, rustix::rand::GetRandomFlags::empty())?;
    if got == bytes.len() { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// Written whole or not at all.
fn keep(dir: &Path, instance: &str) -> io::Result<()> {
    let new = dir.join("instance.new");
    let mut file = File::create(&new)?;
    writeln!(file, "{instance}")?;
    file.sync_all()?;
    fs::rename(&new, dir.join(INSTANCE))?;
    sync_dir(dir)
}

/// Held as long as the daemon lives; the kernel lets go of it however the process ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why the state directory is not ours.
#[derive(Debug, thiserror::Error)]
pub enum NotLocked {
    /// Another daemon has it: stop.
    #[error("the state directory is in use by process {pid}")]
    Held {
        /// The process that holds it, as it wrote itself into the lock file.
        pid: String,
    },
    /// The file cannot be made or locked: try again later.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Takes the state directory for this process.
pub fn lock(dir: &Path) -> Result<Lock, NotLocked> {
    super::store::make_dir(dir)?;
    let path = dir.join(LOCK);
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            file.read_to_string(&mut pid)?;
            return Err(NotLocked::Held { pid: pid.trim().to_owned() });
        }
        Err(TryLockError::Error(error)) => return Err(error.into()),
    }
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())?;
    Ok(Lock { _file: file })
}
