//! Listing a simulated directory: what comes during the listing may be missed, as in a real one.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{
    arrival::{Kind, Sample},
    filesystem::Policy,
    stat, world,
};

#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    ino: u64,
    policy: Policy,
    after: Option<Vec<u8>>,
}

#[derive(Debug)]
pub(crate) struct Entry {
    name: Vec<u8>,
    kind: Option<Kind>,
}

impl Directory {
    pub(crate) fn open(path: &Path, follow: bool) -> io::Result<Self> {
        let (_, _, ino) = stat::dir_id(path, follow)?;
        let policy = stat::place_policy(path)?;
        Ok(Self { path: path.to_path_buf(), ino, policy, after: None })
    }

    pub(crate) fn policy(&self) -> Policy {
        self.policy
    }

    pub(crate) fn next_entry(&mut self) -> Option<io::Result<Entry>> {
        let after = self.after.take();
        match world::with(|w| w.next_entry(&self.path, self.ino, after.as_deref())) {
            Ok(None) => None,
            Ok(Some((name, kind))) => {
                self.after = Some(name.clone());
                // Some file systems do not tell.
                let kind = world::with(|w| w.chance.percent(90)).then_some(kind);
                Some(Ok(Entry { name, kind }))
            }
            Err(error) => Some(Err(error)),
        }
    }

    pub(crate) fn sample(&self, entry: &Entry) -> io::Result<Sample> {
        world::with(|w| w.sample_in(self.ino, &entry.name))
    }
}

impl Entry {
    pub(crate) fn name(&self) -> &[u8] {
        &self.name
    }

    pub(crate) fn kind(&self) -> Option<Kind> {
        self.kind
    }
}
