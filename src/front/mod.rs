//! The front: what answers whoever asks how the daemon is, whatever the pipeline does.
//!
//! A thread and a runtime of its own. It reads what stages have published and asks none of them anything, so
//! that it answers when they hang. [`start`] takes any number of [`Service`]s: the public listener, and
//! others with more routes of their own.

mod connections;
mod listener;
mod page;
mod router;

use std::{io, sync::Arc, thread, time::Duration};

use axum::Router;
use tokio::{
    runtime,
    sync::watch,
    time::{sleep, timeout},
};
use tracing::{info, warn};

use self::{
    connections::Connections,
    listener::{Door, listening},
};
pub use self::{
    listener::{Listener, Peer},
    router::{json, router},
};
use crate::{
    clock,
    config::checked::Address,
    vitals::{Board, Health},
};

/// How often a place that could not be bound is tried again.
const BIND_AGAIN: Duration = Duration::from_secs(5);

/// How long nobody is let in after the system refused a connection: it lacks descriptors, or memory.
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);

/// One listener and what it answers.
pub struct Service {
    /// What it is called in the log and in `/ready`.
    pub part: &'static str,
    /// Where it listens.
    pub place: Place,
    /// What it answers.
    pub router: Router,
    /// How long an answer may take.
    pub answer_within: Duration,
    /// Who may ask. Others are sent away without an answer.
    pub admits: fn(Peer) -> bool,
}

impl Service {
    /// Answers everybody with what everybody may know.
    pub fn public(place: Place, board: &Arc<Board>) -> Self {
        let answer_within = Duration::from_secs(10);
        Self { part: "http", place, router: router(board), answer_within, admits: |_| true }
    }
}

/// Where a [`Service`] listens.
pub enum Place {
    /// At a socket that somebody else opened, such as a socket unit.
    Inherited(Listener),
    /// At a place of our own.
    Own {
        /// Which.
        at: Address,
        /// Permissions of the file, where it is one.
        mode: u32,
    },
}

/// Where a service listens; `None` until it does.
pub type Listening = watch::Receiver<Option<Address>>;

/// The thread, from outside.
pub struct Handle {
    /// In the order in which the services were given.
    listening: Vec<Listening>,
    runtime: Option<runtime::Handle>,
}

impl Handle {
    /// Where a service listens, for whoever wants to ask it.
    pub fn address(&self, service: usize) -> Option<Listening> {
        self.listening.get(service).cloned()
    }

    /// Which stages turn over, as the front's own thread finds: with no answer within `limit` it is the front
    /// that does not.
    pub async fn health(&self, board: &Arc<Board>, limit: Duration) -> Option<Health> {
        let board = Arc::clone(board);
        let judge = async move { board.health(clock::mono()) };
        match &self.runtime {
            Some(runtime) => timeout(limit, runtime.spawn(judge)).await.ok()?.ok(),
            None => Some(judge.await),
        }
    }
}

/// Starts the thread, if there is anything to serve. It ends with the process.
pub fn start(services: Vec<Service>, board: &Arc<Board>) -> io::Result<Handle> {
    if services.is_empty() {
        return Ok(Handle { listening: Vec::new(), runtime: None });
    }
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let (said, heard): (Vec<_>, Vec<_>) = services.iter().map(|_| watch::channel(None)).unzip();
    let services: Vec<_> = services.into_iter().zip(said).collect();
    let board = Arc::clone(board);
    let outside = runtime.handle().clone();
    thread::Builder::new().name("front".into()).spawn(move || {
        runtime.block_on(async move {
            let mut tasks = tokio::task::JoinSet::new();
            for (service, said) in services {
                tasks.spawn(run(service, said, Arc::clone(&board)));
            }
            while let Some(ended) = tasks.join_next().await {
                if let Err(panicked) = ended {
                    std::panic::resume_unwind(panicked.into_panic());
                }
            }
        });
    })?;
    Ok(Handle { listening: heard, runtime: Some(outside) })
}

async fn run(service: Service, said: watch::Sender<Option<Address>>, board: Arc<Board>) {
    let Service { part, place, router, answer_within, admits } = service;
    let (door, address) = open(part, place, &board).await;
    info!(part, %address, "listening");
    said.send_replace(Some(address));
    let mut connections = Connections::new(router, answer_within);
    loop {
        tokio::select! {
            accepted = door.accept() => match accepted {
                Ok((stream, peer)) if admits(peer) => connections.add(stream),
                Ok(_) => {}
                Err(error) => {
                    warn!(part, %error, "cannot take a connection");
                    connections.make_room();
                    sleep(ACCEPT_AGAIN).await;
                }
            },
            () = connections.ended() => {}
        }
    }
}

/// A place that cannot be had now may be later: nothing else waits for it.
async fn open(part: &'static str, place: Place, board: &Board) -> (Door, Address) {
    let mut told = None;
    loop {
        let why = match listening(&place) {
            Ok(open) => {
                board.set_trouble(part, None);
                return open;
            }
            Err(error) => error.to_string(),
        };
        if told.as_ref() != Some(&why) {
            warn!(part, reason = why, "cannot listen; trying again");
            board.set_trouble(part, Some(format!("cannot listen: {why}")));
            told = Some(why);
        }
        sleep(BIND_AGAIN).await;
    }
}
