//! Everything that runs, and going over from one configuration to another while it does.

use std::{io, sync::Arc, time::Duration};

use tokio::time::timeout;
use tracing::{info, warn};

use super::{
    lanes::Lanes,
    plan::{Plan, keep_fixed},
    root::Roots,
};
use crate::{
    config::checked::{self, Config},
    heartbeat::Pulse,
    journal::Journal,
    notice::Notices,
    vitals::Board,
};

/// How long the journal is waited for before new parts start. They ask it behind the new configuration,
/// however long it takes.
const CONFIGURE_LIMIT: Duration = Duration::from_secs(10);

/// What every part is connected with.
#[derive(Clone)]
pub(super) struct Links {
    pub(super) journal: Journal,
    pub(super) notices: Notices,
    pub(super) board: Arc<Board>,
}

/// What runs, and by which configuration.
pub(super) struct Parts {
    pub(super) config: Config,
    pub(super) links: Links,
    pub(super) lanes: Lanes,
    pub(super) roots: Roots,
    pulse: Pulse,
}

/// Why a new configuration was not taken over.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotApplied {
    /// Nothing was changed.
    #[error("too many watches hang in their file systems; restart the daemon to apply it")]
    Stuck,
    /// Half of it is: the process has to end.
    #[error("cannot start what it names: {0}")]
    Start(#[from] io::Error),
}

/// How many parts a new configuration has stopped and started.
#[derive(Debug, Default)]
pub(super) struct Applied {
    pub(super) watches: [usize; 2],
    pub(super) endpoints: [usize; 2],
}

impl Parts {
    /// Starts everything that `config` names. The journal is told already.
    pub(super) fn start(config: Config, links: Links) -> io::Result<Self> {
        let board = &links.board;
        let (mut lanes, mut roots) = (Lanes::new(board.clone()), Roots::new(board.clone()));
        let mut pulse = Pulse::new(board);
        pulse.set(config.heartbeat.clone())?;
        for endpoint in config.endpoints.clone() {
            lanes.start(endpoint, &links, false);
        }
        for watch in config.watches.clone() {
            roots.start(watch, &links)?;
        }
        Ok(Self { config, links, lanes, roots, pulse })
    }

    /// Goes over to `new`. What is the same in both is left alone; what is changed or gone ends first, then
    /// the journal takes the new set over, then what is changed or new starts. A file that is settling
    /// meanwhile is found by the first scan of the new watch; an event that waits is in the journal.
    pub(super) async fn apply(&mut self, mut new: Config) -> Result<Applied, NotApplied> {
        let watches = Plan::new(&self.config.watches, &new.watches, |watch| &watch.name);
        let endpoints = Plan::new(&self.config.endpoints, &new.endpoints, |e| &e.name);
        if !watches.stop.is_empty() && self.roots.are_stuck() {
            return Err(NotApplied::Stuck);
        }
        for key in keep_fixed(&self.config, &mut new) {
            warn!(key, "this key was changed: it needs a restart, the old value stays");
        }
        let drain = self.config.drain;
        self.config = new;
        // Watches before lanes: an event of an endpoint that goes must have its lane until it is recorded.
        self.roots.stop(&watches.stop).await;
        self.lanes.stop(&endpoints.stop, drain).await;
        self.tell_journal().await;
        let applied = Applied {
            watches: [watches.stop.len(), watches.start.len()],
            endpoints: [endpoints.stop.len(), endpoints.start.len()],
        };
        self.pulse.set(self.config.heartbeat.clone())?;
        self.begin(watches.start, endpoints.start)?;
        Ok(applied)
    }

    async fn tell_journal(&self) {
        match timeout(CONFIGURE_LIMIT, self.links.journal.configure(&self.config)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => {
                info!("the journal takes the new configuration over as soon as it can be used");
            }
        }
    }

    fn begin(
        &mut self,
        watches: Vec<checked::Watch>,
        endpoints: Vec<checked::Endpoint>,
    ) -> io::Result<()> {
        // Those that go on; what starts now reads its files anyway.
        self.lanes.reopen();
        self.roots.rescan();
        for endpoint in endpoints {
            self.lanes.start(endpoint, &self.links, true);
        }
        for watch in watches {
            self.roots.start(watch, &self.links)?;
        }
        Ok(())
    }
}
