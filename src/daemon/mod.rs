//! The daemon: the only folder that knows every stage. This file is the order of things: open, wire, start, follow, drain.

mod drain;
mod lanes;
mod root;
mod signals;

use std::{io, process::ExitCode, time::Duration};

use tokio::time::interval;
use tracing::{error, info, warn};

use self::{
    drain::shut_down,
    lanes::Lanes,
    root::Root,
    signals::{Asked, Signals},
};
use crate::{
    clock,
    config::checked::Config,
    journal::{self, Journal, Lock, NotLocked},
};

/// How often the threads of the watches are asked whether they are stuck.
const BEAT_CHECK: Duration = Duration::from_secs(15);

/// Runs until it is asked to stop. 0: asked to stop; 1: could not start, or broke.
pub fn run(config: Config) -> ExitCode {
    match lock_and_serve(config) {
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
}

fn starting(what: &'static str) -> impl FnOnce(io::Error) -> Fatal {
    move |error| Fatal::Start { what, error }
}

fn lock_and_serve(config: Config) -> Result<(), Fatal> {
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
    let outcome = runtime.block_on(serve(config, lock));
    // Nothing that still blocks a thread may keep the process.
    runtime.shutdown_background();
    outcome
}

async fn serve(config: Config, lock: Option<Lock>) -> Result<(), Fatal> {
    let mut signals = Signals::take().map_err(starting("signal handling"))?;
    let (journal, thread) = Journal::start(&config, lock).map_err(starting("the journal"))?;
    let mut lanes = Lanes::start(config.endpoints, &journal);
    let mut watches = Vec::new();
    for watch in config.watches {
        watches.push(Root::start(watch, &journal).map_err(starting("a watch"))?);
    }
    follow(&mut signals, journal.clone(), &mut lanes, &mut watches).await?;
    for root in &watches {
        root.stop();
    }
    tokio::select! {
        () = shut_down(&journal, thread, lanes, config.drain) => {}
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
    mut journal: Journal,
    lanes: &mut Lanes,
    watches: &mut [Root],
) -> Result<(), Fatal> {
    let mut look = interval(BEAT_CHECK);
    loop {
        tokio::select! {
            _ = look.tick() => {
                let now = clock::mono();
                for root in watches.iter_mut() {
                    root.tell_whether_it_hangs(now);
                }
            }
            asked = signals.next() => match asked {
                Asked::Stop(signal) => {
                    info!(signal, "stopping");
                    return Ok(());
                }
                Asked::Rescan => {
                    info!("asked to scan again");
                    rescan(watches);
                }
            },
            () = journal.lost() => rescan(watches),
            part = lanes.broken() => return Err(Fatal::Broken(part)),
        }
    }
}

fn rescan(watches: &[Root]) {
    for root in watches {
        root.rescan();
    }
}
