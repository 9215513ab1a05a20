//! The two threads of one watched root, and whether they hang.

use std::{
    io,
    sync::{Arc, mpsc::sync_channel},
    time::{Duration, Instant},
};

use tracing::{info, warn};

use crate::{arrival::Name, config::checked, journal::Journal, settle, vitals::Beat, watch};

/// Reports that wait between the watching and the settling thread of a root, of up to 512 sightings each.
const REPORTS_MAX: usize = 8;

/// Work that takes longer than this is said to hang.
const HANGS_AFTER: Duration = Duration::from_secs(30);

/// The two threads of one root.
pub(super) struct Root {
    name: Name,
    watch: watch::Handle,
    beats: [Arc<Beat>; 2],
    hangs: bool,
}

impl Root {
    /// Starts both, with the bounded channel between them.
    pub(super) fn start(config: checked::Watch, journal: &Journal) -> io::Result<Self> {
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
    pub(super) fn tell_whether_it_hangs(&mut self, now: Instant) {
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

    /// Has everything looked at again.
    pub(super) fn rescan(&self) {
        self.watch.rescan();
    }

    /// Reports nothing any more. What hangs is left behind: there is nothing in it to save.
    pub(super) fn stop(&self) {
        self.watch.stop();
    }
}
