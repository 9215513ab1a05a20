//! The daemon: the only folder that knows every stage. This file is the order of things: open, wire, start, follow, drain.

mod caretaker;
mod drain;
mod lanes;
mod root;
mod signals;

use std::{io, process::ExitCode, time::Duration};

use tokio::time::interval;
use tracing::{error, info, warn};

use self::{
    caretaker::{Caretaker, Duties, Origin},
    drain::shut_down,
    lanes::Lanes,
    root::Root,
    signals::{Asked, Signals},
};
use crate::{
    clock,
    config::checked::Config,
    journal::{self, Journal, Lock, NotLocked},
    stop::Ending,
    systemd::Notifier,
};

/// How often the threads of the watches are asked whether they are stuck.
const BEAT_CHECK: Duration = Duration::from_secs(15);

/// What a daemon that does not answer itself may still spend on requests in flight: its lanes may be what
/// hangs, and all that is lost is that receivers see a repetition.
const UNWELL_DRAIN: Duration = Duration::from_secs(2);

/// How long the last words to the service manager may take.
const FLUSH_LIMIT: Duration = Duration::from_secs(1);

/// Runs until it is asked to stop, or has a reason of its own ([`Ending::exit_code`]). 1: could not start, or
/// broke.
pub fn run(config: Config) -> ExitCode {
    match lock_and_serve(config) {
        Ok(ending) => ExitCode::from(ending.exit_code()),
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

fn lock_and_serve(config: Config) -> Result<Ending, Fatal> {
    let origin = Origin::now();
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
    let outcome = runtime.block_on(serve(config, lock, origin));
    // Nothing that still blocks a thread may keep the process.
    runtime.shutdown_background();
    outcome
}

async fn serve(config: Config, lock: Option<Lock>, origin: Origin) -> Result<Ending, Fatal> {
    let mut signals = Signals::take().map_err(starting("signal handling"))?;
    let notifier = Notifier::start().map_err(starting("the messages to the service manager"))?;
    let (journal, thread) = Journal::start(&config, lock).map_err(starting("the journal"))?;
    let duties = Duties {
        origin,
        self_check: None,
        restart: config.restart,
        notifier: notifier.clone(),
        end_limit: drain::limit(config.drain) + FLUSH_LIMIT,
    };
    let mut lanes = Lanes::start(config.endpoints, &journal);
    let mut watches = Vec::new();
    for watch in config.watches {
        watches.push(Root::start(watch, &journal).map_err(starting("a watch"))?);
    }
    let caretaker = Caretaker::start(duties).map_err(starting("the caretaker"))?;
    notifier.ready("watching");
    let ending = follow(&mut signals, journal.clone(), &mut lanes, &mut watches, caretaker).await?;
    notifier.stopping(ending.reason());
    for root in &watches {
        root.stop();
    }
    let drain =
        if ending == Ending::SelfCheck { UNWELL_DRAIN.min(config.drain) } else { config.drain };
    tokio::select! {
        () = shut_down(&journal, thread, lanes, drain) => {}
        // What is not delivered is in the journal.
        () = signals.stop_again() => {
            warn!("asked again: ending at once");
            std::process::exit(ending.exit_code().into());
        }
    }
    notifier.flush(FLUSH_LIMIT);
    Ok(ending)
}

/// Runs until there is a reason to end.
async fn follow(
    signals: &mut Signals,
    mut journal: Journal,
    lanes: &mut Lanes,
    watches: &mut [Root],
    mut caretaker: Caretaker,
) -> Result<Ending, Fatal> {
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
                    return Ok(Ending::Asked);
                }
                Asked::Rescan => {
                    info!("asked to scan again");
                    rescan(watches);
                }
            },
            () = journal.lost() => rescan(watches),
            ending = caretaker.wants_end() => {
                info!(reason = ending.reason(), "stopping");
                return Ok(ending);
            }
            part = lanes.broken() => return Err(Fatal::Broken(part)),
        }
    }
}

fn rescan(watches: &[Root]) {
    for root in watches {
        root.rescan();
    }
}
