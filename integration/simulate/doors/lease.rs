//! Asking the simulated kernel who writes a file.

use std::{io, path::Path};

use crate::{
    arrival::{Kind, Sample},
    stat, world,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Writing,
    File { sample: Sample, unwritten: bool },
    NotAFile,
    Forbidden,
}

pub(crate) fn ask(path: &Path, before: Option<&Sample>) -> io::Result<Asked> {
    let sample = stat::entry(path)?;
    if sample.kind != Kind::File {
        return Ok(Asked::NotAFile);
    }
    if before != Some(&sample) {
        return Ok(Asked::File { sample, unwritten: false });
    }
    let written = world::with(|w| w.writers(path));
    Ok(if written { Asked::Writing } else { Asked::File { sample, unwritten: true } })
}
