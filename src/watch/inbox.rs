//! Where hints wait for the watch thread: a [`Pending`] behind a lock and a bell.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::pending::{Batch, Pending};
use crate::kernel::Hint;

/// Shared by the kernel's thread, which must not wait, the watch thread, and whoever stops it.
#[derive(Debug)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    bell: Condvar,
}

#[derive(Debug)]
struct State {
    pending: Pending,
    closed: bool,
}

/// The watch is being stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closed;

impl Inbox {
    pub(crate) fn new(bytes_max: usize) -> Self {
        let state = State { pending: Pending::new(bytes_max), closed: false };
        Self { state: Mutex::new(state), bell: Condvar::new() }
    }

    /// Takes a hint in. Never waits longer than another hint takes.
    pub(crate) fn note(&self, hint: Hint) {
        if self.lock().pending.note(hint) {
            self.bell.notify_one();
        }
    }

    /// Everything noted so far, after waiting up to `patience` for the first of it. May be empty.
    pub(crate) fn take(&self, patience: Duration) -> Result<Batch, Closed> {
        let mut state = self.lock();
        if state.pending.is_empty() && !state.closed && !patience.is_zero() {
            let waited = self.bell.wait_timeout(state, patience);
            state = waited.map_or_else(|poisoned| poisoned.into_inner().0, |(state, _)| state);
        }
        if state.closed { Err(Closed) } else { Ok(state.pending.take()) }
    }

    /// Makes every further [`Inbox::take`] answer [`Closed`].
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.bell.notify_one();
    }

    /// A poisoned lock cannot happen (a panic ends the process), and would not hurt: the state is a set.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
