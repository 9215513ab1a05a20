//! The two threads of one watched root, and whether they hang.

use std::{
    io,
    sync::{Arc, mpsc::sync_channel},
    time::Instant,
};

use tracing::{info, warn};

use crate::{
    arrival::Name,
    config::checked,
    journal::Journal,
    settle,
    vitals::{Board, Lateness, WatchVitals},
    watch,
};

/// Reports that wait between the watching and the settling thread of a root, of up to 512 sightings each.
const REPORTS_MAX: usize = 8;

/// The two threads of one root.
pub(super) struct Root {
    name: Name,
    watch: watch::Handle,
    vitals: Arc<WatchVitals>,
    hangs: bool,
}

impl Root {
    /// Starts both, with the bounded channel between them.
    pub(super) fn start(
        config: checked::Watch,
        journal: &Journal,
        board: &Board,
    ) -> io::Result<Self> {
        let name = config.name.clone();
        let vitals = board.add_watch(&name, &config.path);
        let (send, reports) = sync_channel(REPORTS_MAX);
        let recorder = Box::new(journal.for_watch(&config, &vitals.settles));
        let memory = Box::new(journal.for_watch(&config, &vitals.looks));
        let ports = settle::Ports { reports, recorder, vitals: Arc::clone(&vitals) };
        settle::start(config.clone(), ports)?;
        let ports = watch::Ports { reports: send, memory, vitals: Arc::clone(&vitals) };
        let watch = watch::start(config, ports)?;
        Ok(Self { name, watch, vitals, hangs: false })
    }

    /// Says when a thread has not come back from its work for too long, and when it has.
    pub(super) fn tell_whether_it_hangs(&mut self, now: Instant) {
        let beats = [&self.vitals.looks, &self.vitals.settles];
        let late = beats.into_iter().filter_map(|beat| beat.lateness(now));
        let since = late.map(Lateness::since).min();
        let hangs = since.is_some();
        if let Some(since) = since.filter(|_| !self.hangs) {
            warn!(watch = %self.name, busy_s = now.saturating_duration_since(since).as_secs(),
                "this watch makes no progress: its file system does not answer");
        } else if self.hangs && !hangs {
            info!(watch = %self.name, "this watch makes progress again");
        }
        self.hangs = hangs;
    }

    /// Has everything looked at again.
    pub(super) fn rescan(&self) {
        self.watch.rescan();
    }

    /// Reports nothing any more. What hangs is left behind: there is nothing in it to save.
    pub(super) fn stop(&self) {
        self.watch.stop();
    }
}
