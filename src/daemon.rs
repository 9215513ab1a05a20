//! The daemon: the only file that knows every stage. It opens, wires, starts, and drains in order.

use std::{
    io::{self, IsTerminal as _},
    process::ExitCode,
    sync::{Arc, mpsc::sync_channel},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch as latest,
    task::JoinSet,
    time::{interval, timeout},
};
use tracing::{error, info, warn};

use crate::{
    arrival::Name,
    clock,
    config::checked::{self, Config},
    deliver::{self, LaneSummary},
    journal::{self, Closing, Journal, Lock, NotLocked},
    settle,
    stop::Stop,
    vitals::{Beat, LaneVitals},
    watch,
};

/// Reports that wait between the watching and the settling thread of a root, of up to 512 sightings each.
const REPORTS_MAX: usize = 8;

/// How long the journal may take to close. It has nothing to lose by then.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// How often the threads of the watches are asked whether they are stuck.
const BEAT_CHECK: Duration = Duration::from_secs(15);

/// Work that takes longer than this is said to hang.
const HANGS_AFTER: Duration = Duration::from_secs(30);

/// How long lanes may take to notice that their time is over.
const CUT_LIMIT: Duration = Duration::from_secs(2);

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

/// One task per endpoint, under its name.
type Lanes = JoinSet<(Name, LaneSummary)>;

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
    let (stop, stopping) = latest::channel(Stop::Run);
    let mut lanes = JoinSet::new();
    for endpoint in config.endpoints {
        let (name, outbox, stopping) =
            (endpoint.name.clone(), journal.for_lane(), stopping.clone());
        let vitals = Arc::new(LaneVitals::default());
        lanes.spawn(
            async move { (name, deliver::run_lane(endpoint, outbox, vitals, stopping).await) },
        );
    }
    let mut watches = Vec::new();
    for watch in config.watches {
        watches.push(Root::start(watch, &journal).map_err(starting("a watch"))?);
    }
    follow(&mut signals, journal.clone(), &mut lanes, &mut watches).await?;
    for root in &watches {
        root.watch.stop();
    }
    tokio::select! {
        () = shut_down(&journal, thread, lanes, &stop, config.drain) => {}
        // What is not delivered is in the journal.
        () = signals.stop_again() => {
            warn!("asked again: ending at once");
            std::process::exit(0);
        }
    }
    Ok(())
}

/// The two threads of one root.
struct Root {
    name: Name,
    watch: watch::Handle,
    beats: [Arc<Beat>; 2],
    hangs: bool,
}

impl Root {
    /// Starts both, with the bounded channel between them.
    fn start(config: checked::Watch, journal: &Journal) -> io::Result<Self> {
        let (name, view) = (config.name.clone(), journal.for_watch(&config));
        let (send, reports) = sync_channel(REPORTS_MAX);
        let beats = [Arc::new(Beat::default()), Arc::new(Beat::default())];
        let [looks, probes] = beats.clone();
        let recorder = Box::new(view.clone());
        settle::start(config.clone(), settle::Ports { reports, recorder, beat: probes })?;
        let memory = Box::new(view);
        let watch = watch::start(config, watch::Ports { reports: send, memory, beat: looks })?;
        Ok(Self { name, watch, beats, hangs: false })
    }

    /// Says when a thread has not come back from its work for too long, and when it has.
    fn tell_whether_it_hangs(&mut self, now: Instant) {
        let busy =
            self.beats.iter().filter_map(|beat| beat.busy_for(now)).max().unwrap_or_default();
        let hangs = busy >= HANGS_AFTER;
        if hangs && !self.hangs {
            warn!(watch = %self.name, busy_s = busy.as_secs(),
                "this watch makes no progress: its file system, or the journal's, does not answer");
        } else if self.hangs && !hangs {
            info!(watch = %self.name, "this watch makes progress again");
        }
        self.hangs = hangs;
    }
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
            Some(ended) = lanes.join_next() => {
                return Err(Fatal::Broken(ended.map_or_else(|e| e.to_string(), |(name, _)| format!("the lane of {name}"))));
            }
        }
    }
}

fn rescan(watches: &[Root]) {
    for root in watches {
        root.watch.rescan();
    }
}

/// Takes nothing new, lets requests in flight finish for up to `drain`, and closes the journal. No step
/// waits without a limit, whatever a disk or a receiver does.
async fn shut_down(
    journal: &Journal,
    thread: JoinHandle<Closing>,
    mut lanes: Lanes,
    stop: &latest::Sender<Stop>,
    drain: Duration,
) {
    // A journal that does not even take this records nothing either.
    let _hangs = timeout(CUT_LIMIT, journal.refuse_arrivals()).await;
    stop.send_replace(Stop::Drain);
    if timeout(drain, ended(&mut lanes)).await.is_err() {
        stop.send_replace(Stop::Now);
        if timeout(CUT_LIMIT, ended(&mut lanes)).await.is_err() {
            warn!("lanes did not end in time");
        }
    }
    if timeout(CLOSE_LIMIT, close(journal, thread)).await.is_err() {
        warn!("the journal did not close in time; it is checked at the next start");
    }
}

async fn ended(lanes: &mut Lanes) {
    while let Some(ended) = lanes.join_next().await {
        if let Ok((endpoint, summary)) = ended {
            info!(%endpoint, delivered = summary.delivered, cut = summary.cut, "lane ended");
        }
    }
}

async fn close(journal: &Journal, thread: JoinHandle<Closing>) {
    journal.close().await;
    let joined = tokio::task::spawn_blocking(|| thread.join()).await;
    if let Ok(Ok(Closing { waiting, dead })) = joined {
        info!(waiting, dead, "stopped");
    }
}

/// What a signal asks for.
enum Asked {
    Stop(&'static str),
    Rescan,
}

/// Taken before the first file is looked at.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    /// A writer that opens a file while we hold our lease on it for an instant makes the kernel send SIGIO,
    /// whose default is death (fcntl(2)). Taking it is all that has to be done about it.
    _lease_broken: Signal,
}

impl Signals {
    fn take() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            _lease_broken: signal(SignalKind::io())?,
        })
    }

    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Stop("SIGTERM"),
            _ = self.interrupt.recv() => Asked::Stop("SIGINT"),
            // A terminal that is closed takes its daemon with it; anybody else means "look again".
            _ = self.hangup.recv() => {
                if io::stderr().is_terminal() { Asked::Stop("SIGHUP") } else { Asked::Rescan }
            }
        }
    }

    async fn stop_again(&mut self) {
        while !matches!(self.next().await, Asked::Stop(_)) {}
    }
}
