//! Which directories the kernel watches for us, and which it cannot.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use tracing::warn;

use super::{
    inbox::Inbox,
    kernel::{Kernel, NotArmed},
};
use crate::arrival::{Name, RelPath};

/// The kernel watches of one root. Without a kernel everything is polled.
pub(crate) struct Coverage {
    watch: Name,
    kernel: Option<Kernel>,
    armed: BTreeSet<RelPath>,
    /// Beyond the limit of watches: polled instead.
    polled: BTreeSet<RelPath>,
    limit_told: bool,
}

impl Coverage {
    /// Nothing armed yet. With `events`, by kernel events if the kernel has an instance left for us.
    pub(crate) fn new(watch: &Name, root: &Arc<Path>, inbox: &Arc<Inbox>, events: bool) -> Self {
        let kernel = events.then(|| Kernel::new(Arc::clone(root), Arc::clone(inbox)));
        let kernel = kernel.and_then(|made| {
            made.inspect_err(|error| {
                warn!(%watch, path = %root.display(), %error,
                    "no kernel events, scanning instead; raise fs.inotify.max_user_instances");
            })
            .ok()
        });
        let (armed, polled) = (BTreeSet::new(), BTreeSet::new());
        Self { watch: watch.clone(), kernel, armed, polled, limit_told: false }
    }

    /// Watches `dir` before it is read, so that nothing can land in between unseen.
    pub(crate) fn arm(&mut self, dir: &RelPath) {
        let Some(kernel) = &mut self.kernel else { return };
        match kernel.arm(dir) {
            Ok(()) => {
                self.armed.insert(dir.clone());
                self.polled.remove(dir);
            }
            Err(NotArmed::Missing) => {
                self.armed.remove(dir);
            }
            Err(NotArmed::WatchLimit) => {
                self.armed.remove(dir);
                self.polled.insert(dir.clone());
                if !self.limit_told {
                    self.limit_told = true;
                    warn!(watch = %self.watch, path = %dir, armed = self.armed.len(),
                        "out of kernel watches, scanning the rest; raise fs.inotify.max_user_watches");
                }
            }
            Err(NotArmed::Io(error)) => {
                self.armed.remove(dir);
                warn!(watch = %self.watch, path = %dir, %error, "cannot watch this directory");
            }
        }
    }

    /// Forgets `dir` and everything below it; true when any of it was armed.
    pub(crate) fn disarm(&mut self, dir: &RelPath) -> bool {
        let below: Vec<RelPath> = self
            .armed
            .range(dir.clone()..)
            .take_while(|d| d.as_bytes().starts_with(dir.as_bytes()))
            .cloned()
            .collect();
        let mut any = false;
        for gone in below.iter().filter(|d| d.is_within(dir)) {
            if let Some(kernel) = &mut self.kernel {
                kernel.disarm(gone);
            }
            any |= self.armed.remove(gone);
        }
        self.polled.retain(|d| !d.is_within(dir));
        any
    }

    /// How many directories the kernel watches.
    pub(crate) fn armed_count(&self) -> usize {
        self.armed.len()
    }

    /// Whether there are no kernel events at all.
    pub(crate) fn is_blind(&self) -> bool {
        self.kernel.is_none()
    }

    /// Directories beyond the limit of watches.
    pub(crate) fn polled(&self) -> impl Iterator<Item = &RelPath> {
        self.polled.iter()
    }
}
