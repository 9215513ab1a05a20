//! The two threads of each watched root: starting, stopping, and whether they hang.

use std::{
    collections::BTreeMap,
    io,
    path::PathBuf,
    sync::{Arc, mpsc::sync_channel},
    time::{Duration, Instant},
};

use tokio::time::timeout;
use tracing::{info, warn};

use super::parts::Links;
use crate::{
    arrival::Name,
    config::checked,
    journal::WatchView,
    settle,
    stop::Life,
    vitals::{Board, Lateness, WatchVitals},
    watch,
};

/// Reports that wait between the watching and the settling thread of a root, of up to 512 sightings each.
const REPORTS_MAX: usize = 8;

/// How long the threads of a watch that is no longer wanted may take to end. They do between two pieces of
/// work; one that hangs in the kernel is left behind.
const STOP_LIMIT: Duration = Duration::from_secs(2);

/// Watches whose threads may be left behind at once. Each costs two stacks and an inotify instance.
const LEFT_BEHIND_MAX: usize = 16;

/// How often the threads are looked at when none of them is away; and when one hangs, to see it come back.
const HANG_CHECK: Duration = Duration::from_mins(1);
const HUNG_CHECK: Duration = Duration::from_secs(5);

/// Every watched root.
pub(super) struct Roots {
    board: Arc<Board>,
    running: BTreeMap<Name, Root>,
    /// Threads that hung when they were asked to end.
    left_behind: Vec<Life>,
}

impl Roots {
    /// None yet. What they do is told on `board`.
    pub(super) fn new(board: Arc<Board>) -> Self {
        Self { board, running: BTreeMap::new(), left_behind: Vec::new() }
    }

    /// Starts watching `config`; the root itself need not exist.
    pub(super) fn start(&mut self, config: checked::Watch, links: &Links) -> io::Result<()> {
        self.running.insert(config.name.clone(), Root::start(config, links, &self.board)?);
        Ok(())
    }

    /// Ends these, and waits for their threads for a moment. Nothing in them needs saving: what they have
    /// not handed over is found by the next scan. One that hangs is not listened to any more.
    pub(super) async fn stop(&mut self, names: &[Name]) {
        let mut leaving: Vec<Root> =
            names.iter().filter_map(|name| self.running.remove(name)).collect();
        leaving.iter().for_each(Root::stop);
        let all = async {
            for root in &mut leaving {
                root.life.ended().await;
            }
        };
        // Out of time: those that hang are seen below.
        timeout(STOP_LIMIT, all).await.unwrap_or(());
        for root in leaving {
            root.view.retire();
            self.board.remove_watch(&root.name, &root.vitals);
            if !root.life.is_over() {
                warn!(watch = %root.name, "the threads of this watch hang: leaving them behind");
                self.left_behind.push(root.life);
            }
        }
    }

    /// Ends all of them, and waits for none.
    pub(super) fn stop_all(&self) {
        self.running.values().for_each(Root::stop);
    }

    /// Has everything looked at again.
    pub(super) fn rescan(&self) {
        for root in self.running.values() {
            root.watch.rescan();
        }
    }

    /// Something was mounted, or taken away, at these places.
    pub(super) fn mounts_changed(&self, at: &[PathBuf]) {
        for root in self.running.values() {
            root.watch.mounts_changed(at);
        }
    }

    /// Whether no more watches may be stopped, because too many of them hang.
    pub(super) fn are_stuck(&mut self) -> bool {
        self.left_behind.retain(|life| !life.is_over());
        self.left_behind.len() >= LEFT_BEHIND_MAX
    }

    /// Says which have not come back from their work for too long, and which have; and when to look again.
    pub(super) fn tell_which_hang(&mut self, now: Instant) -> Instant {
        let looks = self.running.values_mut().map(|root| root.tell_whether_it_hangs(now));
        looks.fold(now + HANG_CHECK, Instant::min)
    }
}

/// The two threads of one root.
struct Root {
    name: Name,
    watch: watch::Handle,
    settle: settle::Handle,
    view: WatchView,
    life: Life,
    vitals: Arc<WatchVitals>,
    hangs: bool,
}

impl Root {
    /// Starts both, with the bounded channel between them.
    fn start(config: checked::Watch, links: &Links, board: &Board) -> io::Result<Self> {
        let name = config.name.clone();
        let vitals = board.add_watch(&name, &config.path);
        let view = links.journal.for_watch(&config, &vitals.settles);
        let (send, reports) = sync_channel(REPORTS_MAX);
        let (alive, life) = Life::begin();
        let recorder = Box::new(view.clone());
        let (told, notices) = (Arc::clone(&vitals), links.notices.clone());
        let ports =
            settle::Ports { reports, recorder, vitals: told, alive: alive.clone(), notices };
        let settle = settle::start(config.clone(), ports)?;
        let memory = Box::new(view.with_beat(&vitals.looks));
        let (told, notices) = (Arc::clone(&vitals), links.notices.clone());
        let ports = watch::Ports { reports: send, memory, vitals: told, alive, notices };
        let watch = watch::start(config, ports)?;
        Ok(Self { name, watch, settle, view, life, vitals, hangs: false })
    }

    /// Has both threads end by themselves.
    fn stop(&self) {
        self.watch.stop();
        self.settle.stop();
    }

    /// Says when a thread has not come back from its work for too long, and when it has. Gives when the next
    /// of them will have been away for too long.
    fn tell_whether_it_hangs(&mut self, now: Instant) -> Instant {
        let beats = [&self.vitals.looks, &self.vitals.settles];
        let late_from = beats.into_iter().filter_map(|beat| beat.late_from()).min();
        let since = beats.into_iter().filter_map(|beat| beat.lateness(now)).map(Lateness::since);
        let since = since.min();
        if let Some(since) = since.filter(|_| !self.hangs) {
            warn!(watch = %self.name, busy_s = now.saturating_duration_since(since).as_secs(),
                "this watch makes no progress: its file system does not answer");
        } else if self.hangs && since.is_none() {
            info!(watch = %self.name, "this watch makes progress again");
        }
        self.hangs = since.is_some();
        let next = late_from.unwrap_or(now + HANG_CHECK);
        if self.hangs { now + HUNG_CHECK } else { next }
    }
}
