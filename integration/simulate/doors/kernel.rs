//! The simulated inotify: watches follow inodes, names do not follow renames, and the queue is bounded.

use std::{io, path::Path, sync::Arc};

#[path = "../../../src/kernel.rs"]
mod real;

pub(crate) use real::{Hint, NotArmed};

use crate::{arrival::RelPath, world};

pub(crate) struct Kernel {
    instance: u64,
    root: Arc<Path>,
}

impl Kernel {
    pub(crate) fn new(root: Arc<Path>, note: impl Fn(Hint) + Send + 'static) -> io::Result<Self> {
        let instance = world::with(|w| w.inotify.open(Box::new(note)));
        Ok(Self { instance, root })
    }

    pub(crate) fn arm(&mut self, dir: &RelPath) -> Result<(), NotArmed> {
        world::with(|w| w.arm(self.instance, dir, &dir.under(&self.root)))
    }

    pub(crate) fn disarm(&mut self, dir: &RelPath) {
        world::with(|w| w.inotify.disarm(self.instance, dir));
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        world::with(|w| w.inotify.close(self.instance));
    }
}
