//! What the simulated file systems say about a path.

use std::{io, path::Path};

#[path = "../../../src/stat.rs"]
mod real;

pub(crate) use real::{DirId, Place, Space, is_absence, is_shortage};

use crate::{arrival::Sample, filesystem::Policy, world};

pub(crate) fn entry(path: &Path) -> io::Result<Sample> {
    world::with(|w| w.stat(path))
}

pub(crate) fn entry_at_source(path: &Path) -> io::Result<Sample> {
    entry(path)
}

pub(crate) fn exists(path: &Path) -> io::Result<bool> {
    match entry(path) {
        Ok(_) => Ok(true),
        Err(error) if is_absence(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

pub(crate) fn dir_id(path: &Path, _follow: bool) -> io::Result<DirId> {
    world::with(|w| w.dir_id(path))
}

pub(crate) fn place(path: &Path) -> io::Result<Place> {
    world::with(|w| w.place(path))
}

pub(crate) fn may_list(path: &Path) -> io::Result<()> {
    dir_id(path, true).map(drop)
}

pub(crate) fn place_policy(path: &Path) -> io::Result<Policy> {
    Ok(place(path)?.policy)
}

/// The state directory is on a real disk, whose room the simulation chooses.
pub(crate) fn space(_path: &Path) -> io::Result<Space> {
    let total = 1 << 30;
    Ok(Space { free: if crate::disk::is_full() { 0 } else { total / 2 }, total })
}
