//! Who keeps the daemon well: tells the service manager how it is, and looks for old age, a new program and
//! wrong answers. It has a thread and a runtime of its own, for it must come through where others are stuck.

use std::{
    future::pending,
    io,
    path::{Path, PathBuf},
    pin::pin,
    thread,
    time::{Duration, Instant},
};

use tokio::{
    sync::{mpsc, watch as latest},
    time::{MissedTickBehavior, interval_at, sleep, sleep_until},
};
use tracing::{debug, info, warn};

use super::{
    drain,
    pulse::{self, Pulse},
};
use crate::{
    chance, clock,
    config::checked::{Address, Config, Restart, SelfCheck},
    ending::Ending,
    front,
    restart::{
        age,
        binary::{Binary, Print, Step},
        look,
    },
    self_check::{self, Tally, Target},
};

/// How often our path is looked at: an upgrade takes two looks.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How long the last words to the service manager may take.
pub(super) const FLUSH_LIMIT: Duration = Duration::from_secs(1);

/// What is true of this process for as long as it runs.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    started: Instant,
    /// Each process has its own place in the spread of planned restarts.
    dice: u64,
    /// The path that it was started by, and what that meant then.
    path: Option<PathBuf>,
    own: Option<Print>,
}

impl Origin {
    /// To be taken as early as possible: what is at the path by then is what runs.
    pub(super) fn now() -> Self {
        let path = look::own_path();
        let own = path.as_deref().and_then(look::read);
        Self { started: clock::mono(), dice: chance::bits(), path, own }
    }
}

/// What there is to take care of.
pub(super) struct Duties {
    pub(super) origin: Origin,
    pub(super) pulse: Pulse,
    /// Where the pages are, once they are; `None` without a listener.
    pub(super) listener: Option<front::Listening>,
}

/// What the configuration says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rules {
    self_check: SelfCheck,
    restart: Restart,
    drain: Duration,
}

impl Rules {
    fn of(config: &Config) -> Self {
        Self { self_check: config.self_check, restart: config.restart, drain: config.drain }
    }
}

/// The daemon's side. Dropping it relieves the caretaker of everything but an end that it has called for.
pub(super) struct Caretaker {
    wishes: mpsc::Receiver<Ending>,
    rules: latest::Sender<Rules>,
}

impl Caretaker {
    /// Starts the thread.
    pub(super) fn start(duties: Duties, config: &Config) -> io::Result<Self> {
        let (wish, wishes) = mpsc::channel(1);
        let (rules, ruling) = latest::channel(Rules::of(config));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name("caretaker".into()).spawn(move || {
            runtime.block_on(take_care(&duties, ruling, &wish));
            // A file system that hangs keeps one of its threads.
            runtime.shutdown_background();
        })?;
        Ok(Self { wishes, rules })
    }

    /// The configuration was read again.
    pub(super) fn obey(&self, config: &Config) {
        let new = Rules::of(config);
        self.rules.send_if_modified(|rules| std::mem::replace(rules, new) != new);
    }

    /// Waits until the daemon should end; for ever when nothing ever wants that.
    pub(super) async fn wants_end(&mut self) -> Ending {
        match self.wishes.recv().await {
            Some(ending) => ending,
            None => pending().await,
        }
    }
}

async fn take_care(
    duties: &Duties,
    mut ruling: latest::Receiver<Rules>,
    wish: &mpsc::Sender<Ending>,
) {
    let mut pulse = pin!(pulse::beat(&duties.pulse));
    let (ending, rules) = loop {
        let rules = *ruling.borrow_and_update();
        tokio::select! {
            ending = cause_to_end(duties, rules) => break (ending, rules),
            () = &mut pulse => return,
            () = wish.closed() => return,
            Ok(()) = ruling.changed() => {}
        }
    };
    duties.pulse.notifier.stopping(ending.reason());
    // There is room for one, and this is the only one.
    if wish.try_send(ending).is_err() {
        return;
    }
    sleep(drain::limit(ending, rules.drain) + FLUSH_LIMIT).await;
    warn!("the daemon did not end by itself in time: ending it");
    duties.pulse.notifier.flush(FLUSH_LIMIT);
    std::process::exit(ending.exit_code().into());
}

async fn cause_to_end(duties: &Duties, rules: Rules) -> Ending {
    let Duties { origin, listener, .. } = duties;
    tokio::select! {
        ending = old_age(origin, rules.restart) => ending,
        ending = replaced(origin, rules.restart) => ending,
        ending = unwell(listener.as_ref(), rules.self_check) => ending,
    }
}

async fn old_age(origin: &Origin, restart: Restart) -> Ending {
    let Some(max_age) = restart.max_age else { return pending().await };
    let planned = age::planned(max_age, origin.dice);
    debug!(at_age_s = planned.as_secs(), "a restart is planned");
    sleep_until((origin.started + planned).into()).await;
    Ending::Age
}

async fn replaced(origin: &Origin, restart: Restart) -> Ending {
    if !restart.on_binary_change {
        return pending().await;
    }
    let Some(path) = &origin.path else {
        warn!(
            "whoever started this process did not say by which path: a new program will not be noticed"
        );
        return pending().await;
    };
    let mut binary = Binary::new(origin.own);
    loop {
        sleep(LOOK_EVERY).await;
        if let Step::Ask(print) = binary.read(read(path).await)
            && is_good(path, print, &mut binary).await
        {
            return Ending::Binary;
        }
    }
}

async fn is_good(path: &Path, print: Print, binary: &mut Binary) -> bool {
    let answer = look::ask_version(path).await;
    if let Err(reason) = &answer {
        warn!(path = %path.display(), %reason, "the new program is not restarted into");
    }
    binary.answered(print, answer.is_ok(), read(path).await)
}

/// On a thread of its own, for a file system may hang.
async fn read(path: &Path) -> Option<Print> {
    let path = PathBuf::from(path);
    tokio::task::spawn_blocking(move || look::read(&path)).await.ok().flatten()
}

async fn unwell(listener: Option<&front::Listening>, rule: SelfCheck) -> Ending {
    let Some(listener) = listener else { return pending().await };
    let SelfCheck { interval, failures } = rule;
    let mut tally = Tally::new(failures);
    let mut turn = interval_at((clock::mono() + interval).into(), interval);
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turn.tick().await;
        // What does not listen yet is no reason to start anew: it is tried again, and shown.
        let Some(target) = target(listener) else { continue };
        let answer = self_check::ask(&target).await;
        let was_well = tally.in_a_row() == 0;
        let is_over = tally.took(answer.is_ok());
        match answer {
            Ok(()) if !was_well => info!("the self check succeeds again"),
            Ok(()) => {}
            Err(reason) => {
                warn!(%reason, in_a_row = tally.in_a_row(), limit = failures, "the self check failed");
            }
        }
        if is_over {
            return Ending::SelfCheck;
        }
    }
}

/// A unix socket without a path cannot be asked.
fn target(listener: &front::Listening) -> Option<Target> {
    match listener.borrow().clone()? {
        Address::Tcp(address) => Some(Target::of(address)),
        Address::Unix(path) if path.as_os_str().is_empty() => None,
        Address::Unix(path) => Some(Target::Unix(path)),
    }
}
