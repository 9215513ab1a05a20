//! SIGHUP: the configuration is read again, and taken over if it is good.

use std::{sync::Arc, time::Duration};

use tokio::{task::spawn_blocking, time::timeout};
use tracing::{error, info, warn};

use super::parts::{Applied, NotApplied, Parts};
use crate::{
    clock,
    config::{self, Loaded, Problems, Sources},
    logging::Filter,
    vitals::{Board, Reload},
};

/// How long the configuration file may take to be read. It may lie on a share that is away.
const READ_LIMIT: Duration = Duration::from_secs(10);

/// How long the rest may take, beside requests that are under way: the threads, the journal.
const RELOAD_LIMIT: Duration = Duration::from_secs(30);

/// Where the configuration came from, and where to say what became of it.
pub(super) struct Reloader {
    sources: Sources,
    filter: Filter,
    board: Arc<Board>,
}

/// Why the configuration was not read.
enum NotRead {
    Refused(Problems),
    TooSlow,
}

impl Reloader {
    pub(super) fn new(sources: Sources, filter: Filter, board: Arc<Board>) -> Self {
        Self { sources, filter, board }
    }

    /// Reads the configuration and goes over to it. A bad one changes nothing. In either case every watch
    /// is scanned, and every lane reads its files again. `Err` only when the daemon cannot go on.
    ///
    /// The service manager is told around this call: `RELOADING=1` with `MONOTONIC_USEC` before it, and
    /// `READY=1` with the outcome as `STATUS=` after it, whatever the outcome (systemd has no word for a
    /// reload that was refused).
    pub(super) async fn reload(&self, parts: &mut Parts) -> Result<(), NotApplied> {
        info!("asked to read the configuration again, and to scan again");
        self.board.daemon.wait_until(clock::mono() + RELOAD_LIMIT + parts.config.drain);
        let (ok, message) = match self.read().await {
            Ok(loaded) => self.apply(loaded, parts).await?,
            Err(not_read) => (false, not_read.tell()),
        };
        if !ok {
            parts.lanes.reopen();
            parts.roots.rescan();
        }
        self.board.reloaded(Reload { ok, at: clock::wall(), message });
        Ok(())
    }

    async fn read(&self) -> Result<Loaded, NotRead> {
        let sources = self.sources.clone();
        match timeout(READ_LIMIT, spawn_blocking(move || config::load(&sources))).await {
            Ok(Ok(read)) => read.map_err(NotRead::Refused),
            Ok(Err(panicked)) => std::panic::resume_unwind(panicked.into_panic()),
            Err(_elapsed) => Err(NotRead::TooSlow),
        }
    }

    async fn apply(&self, loaded: Loaded, parts: &mut Parts) -> Result<(bool, String), NotApplied> {
        tell(&loaded.warnings);
        let log = loaded.config.log.filter.clone();
        let filter_changed = log != parts.config.log.filter;
        match parts.apply(loaded.config).await {
            Ok(Applied { watches: [stopped, started], endpoints: [ended, begun] }) => {
                if filter_changed {
                    self.filter.set(&log);
                }
                info!(
                    watches_stopped = stopped,
                    watches_started = started,
                    endpoints_stopped = ended,
                    endpoints_started = begun,
                    "the configuration was read again and is in force"
                );
                Ok((true, "configuration read again".to_owned()))
            }
            Err(why @ NotApplied::Stuck) => {
                error!(reason = %why, "the new configuration is not applied, keeping the old one");
                Ok((false, why.to_string()))
            }
            Err(fatal) => Err(fatal),
        }
    }
}

impl NotRead {
    /// Says why, and returns it in one line.
    fn tell(&self) -> String {
        match self {
            Self::Refused(problems) => {
                tell(problems);
                let count = problems.iter().filter(|problem| !problem.is_warning()).count();
                error!(problems = count, "the new configuration is refused, keeping the old one");
                format!("configuration refused ({count} problems), keeping the old one")
            }
            Self::TooSlow => {
                let limit_s = READ_LIMIT.as_secs();
                error!(
                    limit_s,
                    "the configuration file cannot be read in time, keeping the old one"
                );
                "configuration file not readable in time, keeping the old one".to_owned()
            }
        }
    }
}

/// Each problem with its key and line.
fn tell(problems: &Problems) {
    for problem in problems.iter() {
        let (key, line) = (problem.key(), problems.line_of(problem));
        if problem.is_warning() {
            warn!(key, line, problem = %problem.wrong(), "a doubt about the configuration");
        } else {
            error!(key, line, problem = %problem.wrong(), "a problem of the configuration");
        }
    }
}
