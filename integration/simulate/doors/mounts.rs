//! The simulated table of mounts: whoever follows it is woken, and compares it with what it was.

use std::{collections::BTreeSet, path::PathBuf, rc::Rc};

#[path = "../../../src/mounts.rs"]
mod real;

use crate::world;

pub(crate) type Mounted = real::Mounted;

pub(crate) struct Mounts(BTreeSet<Mounted>);

impl Mounts {
    pub(crate) fn follow() -> Self {
        Self(world::with(|w| w.mounts.clone()))
    }

    pub(crate) async fn changed(&mut self) -> Vec<PathBuf> {
        let bell = world::with(|w| Rc::clone(&w.mounts_bell));
        bell.notified().await;
        tokio::time::sleep(real::GATHER).await;
        let now = world::with(|w| w.mounts.clone());
        let places = real::differing(&self.0, &now);
        self.0 = now;
        places
    }
}
