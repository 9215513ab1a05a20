//! The daemon: the only folder that knows every stage. This file is the order of things: open, wire, start, follow, drain.

mod drain;
mod lanes;
mod notices;
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
    parts::{Links, NotApplied, Parts},
    reload::Reloader,
    signals::{Asked, Signals},
};
use crate::{
    clock,
    config::{Sources, checked::Config},
    control,
    front::{self, Place, Service},
    journal::{self, Journal, Lock, NotLocked},
    logging::Filter,
    mounts::Mounts,
    notice::Notices,
    vitals::{Board, Phase},
};

/// How often the threads of the watches are asked whether they are stuck.
const BEAT_CHECK: Duration = Duration::from_secs(15);

/// Runs by `config` until it is asked to stop, and reads it again from `sources` when asked to.
/// 0: asked to stop; 1: could not start, or broke.
pub fn run(config: Config, sources: Sources, filter: Filter) -> ExitCode {
    let board = Arc::new(Board::new(clock::mono(), clock::wall()));
    let reloader = Reloader::new(sources, filter, Arc::clone(&board));
    match lock_and_serve(config, &reloader, &board) {
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

fn lock_and_serve(config: Config, reloader: &Reloader, board: &Arc<Board>) -> Result<(), Fatal> {
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
    let outcome = runtime.block_on(serve(config, lock, reloader, board));
    // Nothing that still blocks a thread may keep the process.
    runtime.shutdown_background();
    outcome
}

async fn serve(
    config: Config,
    lock: Option<Lock>,
    reloader: &Reloader,
    board: &Arc<Board>,
) -> Result<(), Fatal> {
    let mut signals = Signals::take().map_err(starting("signal handling"))?;
    let vitals = Arc::clone(&board.journal);
    let (journal, thread) =
        Journal::start(&config, lock, vitals).map_err(starting("the journal"))?;
    let control = control::Socket::of(&config);
    let services = services(&config, board, control.service(&journal, board));
    let _front = front::start(services, board).map_err(starting("the front"))?;
    let links = Links { journal, notices: Notices::default(), board: Arc::clone(board) };
    // Ends with the runtime: what it has not handed over by then is no event.
    let _carries = tokio::spawn(notices::carry(links.notices.clone(), links.journal.clone()));
    let mut parts =
        Parts::start(config, links).map_err(starting("what the configuration names"))?;
    board.set_phase(Phase::Running);
    follow(&mut signals, &mut parts, reloader, board).await?;
    board.set_phase(Phase::Draining);
    board.daemon.wait_until(clock::mono() + parts.config.drain);
    parts.roots.stop_all();
    tokio::select! {
        () = shut_down(&parts.links.journal, thread, parts.lanes, parts.config.drain, &control) => {}
        // What is not delivered is in the journal.
        () = signals.stop_again() => {
            warn!("asked again: ending at once");
            std::process::exit(0);
        }
    }
    Ok(())
}

/// Who may ask what, and where.
fn services(config: &Config, board: &Arc<Board>, control: Service) -> Vec<Service> {
    let public = config.listen.clone().map(|at| Place::Own { at, mode: 0o660 });
    public.map(|place| Service::public(place, board)).into_iter().chain([control]).collect()
}

/// Runs until asked to stop.
async fn follow(
    signals: &mut Signals,
    parts: &mut Parts,
    reloader: &Reloader,
    board: &Board,
) -> Result<(), Fatal> {
    let mut look = interval(BEAT_CHECK);
    let mut journal = parts.links.journal.clone();
    let mut mounts = Mounts::follow();
    loop {
        board.daemon.wait_until(clock::mono() + BEAT_CHECK);
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
            places = mounts.changed() => {
                parts.roots.mounts_changed(&places);
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
