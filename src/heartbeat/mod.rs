//! A dead man's switch: somebody outside is pinged while all is well, and told when it is not. When pings
//! stop, that somebody raises the alarm.
//!
//! It has a thread and a runtime of its own, so that it says "not well" when everything else is stuck. It
//! bypasses the outbox: a ping that is late is worth nothing. There is never more than one request, and none is
//! repeated.

mod judge;

use std::{
    fs::File,
    io::{self, Read},
    sync::{Arc, atomic::Ordering::Relaxed},
    thread,
    time::Duration,
};

use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};
use tracing::{info, warn};

use self::judge::{Judge, Seen};
use crate::{
    clock,
    config::checked::{BadUrl, Heartbeat, SecretUrl, UrlSource},
    http::{self, Bytes, Client, HeaderMap, HeaderValue},
    vitals::Board,
};

/// Until an answer is complete; shorter where the interval is.
const TIMEOUT_MAX: Duration = Duration::from_secs(10);

/// A URL is not longer.
const FILE_LEN_MAX: u64 = 16 * 1024;

const USER_AGENT: &str = concat!("watchd/", env!("CARGO_PKG_VERSION"));

/// Where the pings go, as the configuration says. Dropping it ends them.
#[derive(Debug)]
pub struct Pulse {
    wanted: watch::Sender<Option<Heartbeat>>,
    board: Arc<Board>,
    runs: bool,
}

impl Pulse {
    /// Without a heartbeat yet.
    pub fn new(board: &Arc<Board>) -> Self {
        Self { wanted: watch::Sender::new(None), board: Arc::clone(board), runs: false }
    }

    /// Pings as `wanted` says from now on; a URL file is read again. The thread begins with the first that
    /// is wanted.
    pub fn set(&mut self, wanted: Option<Heartbeat>) -> io::Result<()> {
        let is_wanted = wanted.is_some();
        self.wanted.send_replace(wanted);
        if self.runs || !is_wanted {
            return Ok(());
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (heard, board) = (self.wanted.subscribe(), Arc::clone(&self.board));
        let run = move || runtime.block_on(follow(heard, board));
        thread::Builder::new().name("heartbeat".into()).spawn(run)?;
        self.runs = true;
        Ok(())
    }
}

/// Until nobody can want a heartbeat any more.
async fn follow(mut wanted: watch::Receiver<Option<Heartbeat>>, board: Arc<Board>) {
    let mut judge = Judge::default();
    wanted.mark_changed();
    while wanted.changed().await.is_ok() {
        let Some(config) = wanted.borrow_and_update().clone() else { continue };
        // What is under way is dropped when something else is wanted.
        tokio::select! {
            () = ping(&config, &mut judge, &board) => {}
            changed = wanted.changed() => match changed {
                Ok(()) => wanted.mark_changed(),
                Err(_) => return,
            },
        }
    }
}

/// One ping at each interval, for ever.
async fn ping(config: &Heartbeat, judge: &mut Judge, board: &Board) {
    let mut beats = interval(config.interval);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut lines: Option<Lines> = None;
    let mut told = None;
    loop {
        beats.tick().await;
        let reasons = judge.reasons(&look(board), clock::mono());
        let outcome = match &lines {
            Some(lines) => lines.say(&reasons).await,
            None => match open(config).await {
                Ok(opened) => lines.insert(opened).say(&reasons).await,
                Err(why) => Err(why.to_string()),
            },
        };
        match (&outcome, &told) {
            (Err(why), told) if told.as_ref() != Some(why) => {
                warn!(reason = why, "the heartbeat was not taken; the next one is on time");
            }
            (Ok(()), Some(_)) => info!("the heartbeat is taken again"),
            _ => {}
        }
        if outcome.is_ok() {
            judge.taken();
        }
        told = outcome.err();
    }
}

fn look(board: &Board) -> Seen {
    let now = clock::mono();
    let health = board.health(now);
    Seen {
        stuck: health.stuck.iter().map(|stuck| stuck.stage.to_string()).collect(),
        standing: board.not_moving(now).into_iter().map(|part| part.what).collect(),
        dead: board.lanes().iter().map(|(_, lane)| lane.dead.load(Relaxed)).sum(),
    }
}

/// To the two places of one heartbeat.
struct Lines {
    well: Client,
    fail: Client,
}

impl Lines {
    async fn say(&self, reasons: &[String]) -> Result<(), String> {
        let client = if reasons.is_empty() { &self.well } else { &self.fail };
        let mut headers = HeaderMap::new();
        headers.insert("user-agent", HeaderValue::from_static(USER_AGENT));
        match client.post(headers, Bytes::from(reasons.join("\n"))).await {
            Ok(reply) if (200..300).contains(&reply.status) => Ok(()),
            Ok(reply) => Err(format!("it was answered with {}", reply.status)),
            Err(fault) => Err(fault.to_string()),
        }
    }
}

/// Why there is no client. Tried again at the next interval.
#[derive(Debug, thiserror::Error)]
enum NotOpen {
    #[error("heartbeat.url_file cannot be read: {0}")]
    File(io::ErrorKind),
    #[error("heartbeat.url_file does not hold a URL: {0}")]
    Url(BadUrl),
    #[error(transparent)]
    Client(#[from] http::OpenError),
}

/// Reads the URL and makes both clients, off the loop, for it may block.
async fn open(config: &Heartbeat) -> Result<Lines, NotOpen> {
    let config = config.clone();
    match spawn_blocking(move || open_now(&config)).await {
        Ok(opened) => opened,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

fn open_now(config: &Heartbeat) -> Result<Lines, NotOpen> {
    let url = match &config.url {
        UrlSource::Given(url) => url.clone(),
        UrlSource::File(path) => {
            let failed = |error: io::Error| NotOpen::File(error.kind());
            let mut text = String::new();
            let file = File::open(path).map_err(failed)?;
            file.take(FILE_LEN_MAX).read_to_string(&mut text).map_err(failed)?;
            SecretUrl::parse(&text).map_err(NotOpen::Url)?
        }
    };
    let timeout = TIMEOUT_MAX.min(config.interval);
    let client = |url: &SecretUrl| Client::open(http::Settings::direct(url, timeout));
    Ok(Lines { well: client(&url)?, fail: client(&url.below("fail"))? })
}
