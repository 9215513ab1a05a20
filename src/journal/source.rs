//! Whose arrivals they are.

use std::{
    os::unix::ffi::OsStrExt,
    sync::atomic::{AtomicBool, Ordering},
};

use crate::{arrival::Name, config::checked};

/// Which watch, where its root is, and who is told.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) watch: Name,
    pub(crate) root: Vec<u8>,
    pub(crate) endpoints: Vec<Name>,
    /// Nothing that it says counts any more: the configuration has another in its place, or none, and a
    /// thread that hung comes too late.
    pub(crate) retired: AtomicBool,
}

impl Source {
    pub(crate) fn of(watch: &checked::Watch) -> Self {
        Self {
            watch: watch.name.clone(),
            root: watch.path.as_os_str().as_bytes().to_vec(),
            endpoints: watch.endpoints.clone(),
            retired: false.into(),
        }
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Acquire)
    }
}
