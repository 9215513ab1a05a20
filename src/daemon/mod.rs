//! The daemon: the only folder that knows every stage. This file is the order of things: open, wire, start, follow, drain.

mod drain;
mod lanes;
mod parts;
mod plan;
mod reload;
mod root;
mod signals;

use std::{io, process::ExitCode, sync::Arc, time::Duration};

use tokio::time::interval;
use tracing::{error, info, warn};

use self::{
    drain::shut_down,
    parts::{NotApplied, Parts},
    reload::Reloader,
    signals::{Asked, Signals},
};
use crate::{
    clock,
    config::{Sources, checked::Config},
    journal::{self, Journal, Lock, NotLocked},
    logging::Filter,
    vitals::Reloads,
};

/// How often the threads of the watches are asked whether they are stuck.
const BEAT_CHECK: Duration = Duration::from_secs(15);

/// Runs by `config` until it is asked to stop, and reads it again from `sources` when asked to.
/// 0: asked to stop; 1: could not start, or broke.
pub fn run(config: Config, sources: Sources, filter: Filter) -> ExitCode {
    let reloader = Reloader::new(sources, filter, Arc::<Reloads>::default());
    match lock_and_serve(config, &reloader) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fatal) => {
            error!(reason = %fatal, "cannot run");
            ExitCode::FAILURE
        }
    }
}

/// Why there is no daemon.
#[derive(Debug, thiserror::Error)]
enum Fatal {
    #[error(
        "the state directory {dir} is in use by another watchd, process {pid}; stop it, or give this one another state.dir"
    )]
    Held { dir: String, pid: String },
    #[error("cannot start {what}: {error}")]
    Start { what: &'static str, error: io::Error },
    #[error("a part of the daemon ended by itself: {0}")]
    Broken(String),
    #[error("cannot go on with the new configuration: {0}")]
    HalfApplied(#[from] NotApplied),
}

fn starting(what: &'static str) -> impl FnOnce(io::Error) -> Fatal {
    move |error| Fatal::Start { what, error }
}

fn lock_and_serve(config: Config, reloader: &Reloader) -> Result<(), Fatal> {
    // What the journal tells about other people's files is for its owner only.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let dir = &config.state.dir;
    let lock = match journal::lock(dir) {
        Ok(lock) => Some(lock),
        Err(NotLocked::Held { pid }) => {
            return Err(Fatal::Held { dir: dir.display().to_string(), pid });
        }
        // Degraded until the directory can be used: the journal tries again, and says so.
        Err(NotLocked::Io(_)) => None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(starting("the runtime"))?;
    let outcome = runtime.block_on(serve(config, lock, reloader));
    // Nothing that still blocks a thread may keep the process.
    runtime.shutdown_background();
    outcome
}

async fn serve(config: Config, lock: Option<Lock>, reloader: &Reloader) -> Result<(), Fatal> {
    let mut signals = Signals::take().map_err(starting("signal handling"))?;
    let (journal, thread) = Journal::start(&config, lock).map_err(starting("the journal"))?;
    let mut parts = Parts::start(config, journal).map_err(starting("a watch"))?;
    follow(&mut signals, &mut parts, reloader).await?;
    parts.roots.stop_all();
    tokio::select! {
        () = shut_down(&parts.journal, thread, parts.lanes, parts.config.drain) => {}
        // What is not delivered is in the journal.
        () = signals.stop_again() => {
            warn!("asked again: ending at once");
            std::process::exit(0);
        }
    }
    Ok(())
}

/// Runs until asked to stop.
async fn follow(
    signals: &mut Signals,
    parts: &mut Parts,
    reloader: &Reloader,
) -> Result<(), Fatal> {
    let mut look = interval(BEAT_CHECK);
    let mut journal = parts.journal.clone();
    loop {
        let asked = tokio::select! {
            asked = signals.next() => asked,
            _ = look.tick() => {
                parts.roots.tell_which_hang(clock::mono());
                continue;
            }
            () = journal.lost() => {
                parts.roots.rescan();
                continue;
            }
            part = parts.lanes.broken() => return Err(Fatal::Broken(part)),
        };
        // A stop does not wait for a reload that drains.
        let stopped_by = match asked {
            Asked::Stop(signal) => Some(signal),
            Asked::Reload => tokio::select! {
                done = reloader.reload(parts) => done.map(|()| None)?,
                signal = signals.stop() => Some(signal),
            },
        };
        if let Some(signal) = stopped_by {
            info!(signal, "stopping");
            return Ok(());
        }
    }
}
