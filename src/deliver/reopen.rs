//! Reading an endpoint's files again while its lane goes on: a secret was rotated, a URL moved.

use std::{future::pending, sync::Arc};

use tokio::task::{JoinHandle, spawn_blocking};

use super::{
    flat,
    open::{OpenError, Opened},
};
use crate::config::checked::Endpoint;

/// How a lane is opened.
pub(super) type Open<C> = Arc<dyn Fn(&Endpoint) -> Result<Opened<C>, OpenError> + Send + Sync>;

/// One reading at a time; asking again meanwhile makes one more, for the files may have changed under the
/// first.
pub(super) struct Reopening<C> {
    endpoint: Arc<Endpoint>,
    open: Open<C>,
    under_way: Option<JoinHandle<Result<Opened<C>, OpenError>>>,
    again: bool,
}

impl<C: Send + 'static> Reopening<C> {
    pub(super) fn new(endpoint: &Arc<Endpoint>, open: Open<C>) -> Self {
        Self { endpoint: Arc::clone(endpoint), open, under_way: None, again: false }
    }

    /// Begins to read.
    pub(super) fn ask(&mut self) {
        if self.under_way.is_some() {
            self.again = true;
            return;
        }
        let (endpoint, open) = (Arc::clone(&self.endpoint), Arc::clone(&self.open));
        self.under_way = Some(spawn_blocking(move || open(&endpoint)));
    }

    /// Waits for what was read; for ever when nothing was asked for. May be dropped and called again.
    pub(super) async fn done(&mut self) -> Result<Opened<C>, OpenError> {
        let Some(task) = &mut self.under_way else { return pending().await };
        let outcome = flat(task.await);
        self.under_way = None;
        if std::mem::take(&mut self.again) {
            self.ask();
        }
        outcome
    }
}
