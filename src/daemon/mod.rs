//! The daemon: the only folder that knows every stage. This file is the order of things: open, wire, start, follow, drain.

mod caretaker;
mod drain;
mod lanes;
mod line;
mod notices;
mod parts;
mod plan;
mod pulse;
mod reload;
mod root;
mod signals;

use std::{io, process::ExitCode, sync::Arc, thread::JoinHandle};

use tokio::time::sleep_until;
use tracing::{error, info, warn};

use self::{
    caretaker::{Caretaker, Duties, FLUSH_LIMIT, Origin},
    drain::shut_down,
    parts::{Links, NotApplied, Parts},
    pulse::Pulse,
    reload::Reloader,
    signals::{Asked, Signals},
};
use crate::{
    clock,
    config::{Sources, checked::Config},
    control,
    ending::Ending,
    front::{self, Listener, Place, Service},
    journal::{self, Closing, Journal, Lock, NotLocked},
    logging::Filter,
    mounts::Mounts,
    notice::Notices,
    stall,
    systemd::{self, NotInherited, Notifier},
    vitals::{Board, Phase},
};

/// The service that everybody may ask, and that we ask ourselves.
const PUBLIC: &str = "http";

/// A socket that the service manager holds for us, if it does.
pub type Inherited = Result<Option<Listener>, NotInherited>;

/// Runs by `config` until it is asked to stop or has a reason of its own, and reads it again from `sources`
/// when asked to. The exit code is that of [`Ending`], or 1: could not start, or broke.
pub fn run(config: Config, sources: Sources, filter: Filter, inherited: Inherited) -> ExitCode {
    let board = Arc::new(Board::new(clock::mono(), clock::wall()));
    let reloader = Reloader::new(sources, filter, Arc::clone(&board));
    let origin = Origin::now();
    match lock_and_serve(config, inherited, origin, &reloader, &board) {
        Ok(ending) => ExitCode::from(ending.exit_code()),
        Err(fatal) => {
            error!(reason = %fatal, "cannot run");
            systemd::last_words(&format!("cannot run: {fatal}"));
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

fn lock_and_serve(
    config: Config,
    inherited: Inherited,
    origin: Origin,
    reloader: &Reloader,
    board: &Arc<Board>,
) -> Result<Ending, Fatal> {
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
    let outcome = runtime.block_on(async {
        let started = Started::all(config, lock, inherited, origin, board)?;
        serve(started, reloader, board).await
    });
    // Nothing that still blocks a thread may keep the process.
    runtime.shutdown_background();
    outcome
}

/// What runs.
struct Started {
    signals: Signals,
    notifier: Notifier,
    caretaker: Caretaker,
    control: control::Socket,
    front: front::Handle,
    thread: JoinHandle<Closing>,
    parts: Parts,
}

impl Started {
    /// Signals first: a service manager may send SIGHUP as soon as it hears that we are ready.
    fn all(
        config: Config,
        lock: Option<Lock>,
        inherited: Inherited,
        origin: Origin,
        board: &Arc<Board>,
    ) -> Result<Self, Fatal> {
        let signals = Signals::take().map_err(starting("signal handling"))?;
        let notifier = Notifier::start().map_err(starting("what tells the service manager"))?;
        let vitals = Arc::clone(&board.journal);
        let (journal, thread) =
            Journal::start(&config, lock, vitals).map_err(starting("the journal"))?;
        let control = control::Socket::of(&config);
        let services = services(&config, inherited, board, control.service(&journal, board));
        let public = services.iter().position(|service| service.part == PUBLIC);
        let front = front::start(services, board).map_err(starting("the front"))?;
        let listener = public.and_then(|at| front.address(at));
        let (watchdog, board) = (systemd::watchdog(), Arc::clone(board));
        let pulse = Pulse {
            notifier: notifier.clone(),
            watchdog,
            board: Arc::clone(&board),
            front: front.clone(),
        };
        let duties = Duties { origin, pulse, listener };
        let caretaker = Caretaker::start(duties, &config).map_err(starting("the caretaker"))?;
        let links = Links { journal, notices: Notices::default(), board: Arc::clone(&board) };
        // Ends with the runtime: what it has not handed over by then is no event.
        let _carries = tokio::spawn(notices::carry(links.notices.clone(), links.journal.clone()));
        let parts =
            Parts::start(config, links).map_err(starting("what the configuration names"))?;
        board.set_phase(Phase::Running);
        Ok(Self { signals, notifier, caretaker, control, front, thread, parts })
    }
}

async fn serve(
    mut started: Started,
    reloader: &Reloader,
    board: &Arc<Board>,
) -> Result<Ending, Fatal> {
    let ending = follow(&mut started, reloader, board).await?;
    let Started { mut signals, notifier, caretaker, control, front, thread, parts } = started;
    notifier.stopping(ending.reason());
    drop(caretaker);
    let patience = drain::patience(ending, parts.config.drain);
    board.set_phase(Phase::Draining);
    board.daemon.wait_until(clock::mono() + patience);
    parts.roots.stop_all();
    tokio::select! {
        () = shut_down(&parts.links.journal, thread, parts.lanes, patience, &control) => {}
        () = drain::tell_progress(&notifier, board, patience) => {}
        // What is not delivered is in the journal.
        () = signals.stop_again() => {
            warn!("asked again: ending at once");
            std::process::exit(ending.exit_code().into());
        }
    }
    // Last: until here the pages say how the end goes.
    front.close().await;
    notifier.flush(FLUSH_LIMIT);
    Ok(ending)
}

/// Who may ask what, and where. A socket that the service manager holds wins over one of our own.
fn services(
    config: &Config,
    inherited: Inherited,
    board: &Arc<Board>,
    control: Service,
) -> Vec<Service> {
    let inherited = inherited.unwrap_or_else(|reason| {
        error!(%reason, "the sockets of the service manager cannot be used");
        None
    });
    let own = || config.listen.clone().map(|at| Place::Own { at, mode: 0o660 });
    let public = inherited.map(Place::Inherited).or_else(own);
    public.map(|place| Service::public(place, board)).into_iter().chain([control]).collect()
}

/// Runs until there is a reason to end.
async fn follow(
    started: &mut Started,
    reloader: &Reloader,
    board: &Board,
) -> Result<Ending, Fatal> {
    let Started { signals, notifier, caretaker, parts, .. } = started;
    let mut look_at = parts.roots.tell_which_hang(clock::mono());
    let mut journal = parts.links.journal.clone();
    let mut mounts = Mounts::follow();
    loop {
        board.daemon.wait_until(look_at);
        let asked = tokio::select! {
            asked = signals.next() => asked,
            () = sleep_until(look_at.into()) => {
                look_at = parts.roots.tell_which_hang(clock::mono());
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
            ending = caretaker.wants_end() => {
                info!(reason = ending.reason(), "stopping");
                return Ok(ending);
            }
        };
        board.daemon.begin(clock::mono());
        stall::here("daemon");
        // A stop does not wait for a reload that drains.
        let stopped_by = match asked {
            Asked::Stop(signal) => Some(signal),
            Asked::Reload => {
                notifier.reloading("reading the configuration again");
                tokio::select! {
                    done = reloader.reload(parts) => done.map(|()| None)?,
                    signal = signals.stop() => Some(signal),
                }
            }
        };
        if let Some(signal) = stopped_by {
            info!(signal, "stopping");
            return Ok(Ending::Asked);
        }
        caretaker.obey(&parts.config);
        notifier.ready(&line::after_reload(board, clock::mono()));
    }
}
