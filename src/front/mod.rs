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

/// How long those who have asked may wait for their answer when the daemon ends.
pub const CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// How long a connection that the kernel has made may take to get to us then.
const LAST_ACCEPT: Duration = Duration::from_millis(10);

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
#[derive(Clone)]
pub struct Handle {
    /// In the order in which the services were given.
    listening: Vec<Listening>,
    runtime: Option<runtime::Handle>,
    closing: watch::Sender<bool>,
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

    /// Lets nobody in any more, and answers those who are, for [`CLOSE_LIMIT`] at most. A socket that somebody
    /// else holds stays open: who comes now is answered by the next daemon.
    pub async fn close(&self) {
        self.closing.send_replace(true);
        // The thread keeps to it by itself, unless it is what hangs.
        timeout(CLOSE_LIMIT + 10 * LAST_ACCEPT, self.closing.closed()).await.unwrap_or(());
    }
}

/// Starts the thread, if there is anything to serve. It ends with the process.
pub fn start(services: Vec<Service>, board: &Arc<Board>) -> io::Result<Handle> {
    if services.is_empty() {
        let (closing, _) = watch::channel(false);
        return Ok(Handle { listening: Vec::new(), runtime: None, closing });
    }
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let (said, heard): (Vec<_>, Vec<_>) = services.iter().map(|_| watch::channel(None)).unzip();
    let services: Vec<_> = services.into_iter().zip(said).collect();
    let board = Arc::clone(board);
    let outside = runtime.handle().clone();
    let (closing, close) = watch::channel(false);
    thread::Builder::new().name("front".into()).spawn(move || {
        runtime.block_on(async move {
            let mut tasks = tokio::task::JoinSet::new();
            for (service, said) in services {
                tasks.spawn(run(service, said, Arc::clone(&board), close.clone()));
            }
            drop(close);
            while let Some(ended) = tasks.join_next().await {
                if let Err(panicked) = ended {
                    std::panic::resume_unwind(panicked.into_panic());
                }
            }
        });
    })?;
    Ok(Handle { listening: heard, runtime: Some(outside), closing })
}

async fn run(
    service: Service,
    said: watch::Sender<Option<Address>>,
    board: Arc<Board>,
    mut close: watch::Receiver<bool>,
) {
    let Service { part, place, router, answer_within, admits } = service;
    let (door, address) = tokio::select! {
        open = open(part, &place, &board) => open,
        () = told(&mut close) => return,
    };
    info!(part, %address, "listening");
    said.send_replace(Some(address));
    let mut connections = Connections::new(router, answer_within, close.clone());
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
            () = told(&mut close) => break,
        }
    }
    if matches!(place, Place::Own { .. }) {
        // Closing it resets the connections that nobody has taken yet.
        while let Ok(Ok((stream, peer))) = timeout(LAST_ACCEPT, door.accept()).await
            && connections.have_room()
        {
            if admits(peer) {
                connections.add(stream);
            }
        }
    }
    drop(door);
    if timeout(CLOSE_LIMIT, connections.all_ended()).await.is_err() {
        info!(part, "some who were connected have not asked, or have no answer yet: ending");
    }
}

/// Waits until the daemon ends; for ever when nobody can say so any more.
async fn told(close: &mut watch::Receiver<bool>) {
    if close.wait_for(|closing| *closing).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// A place that cannot be had now may be later: nothing else waits for it.
async fn open(part: &'static str, place: &Place, board: &Board) -> (Door, Address) {
    let mut told = None;
    loop {
        let why = match listening(place) {
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

#[cfg(test)]
mod tests;
