//! The worker and the files of its endpoint: URL, secrets, headers, certificates.

use std::time::Instant;

use tracing::{info, warn};

use super::{Call, Courier, OpenError, Opened, Parking, Stop, Worker};

impl<C: Courier> Worker<C> {
    /// Whether they are to be read again now; [`Worker::reopened`] has to follow.
    pub(in crate::deliver) fn wants_files(&mut self, now: Instant) -> bool {
        let ready = self.parking == Parking::Open && self.lane.is_ready(now);
        let parked = self.parking == Parking::Parked;
        self.stop == Stop::Run && self.doubt.begins(ready, parked, now)
    }

    /// An operator wants them read again, and [`Worker::reopened`] has to follow.
    pub(in crate::deliver) fn asked_to_read(&mut self) {
        self.renewal.ask();
    }

    /// The endpoint may be another one than before: nothing that waits for it waits any longer.
    pub(in crate::deliver) fn renew(&mut self, now: Instant) {
        self.renewal.begin(self.lane.busy());
        self.lane.renewed(now);
    }

    pub(super) fn release(&mut self) -> Option<Call> {
        self.renewal.releases(|| self.lane.busy()).then_some(Call::Release)
    }

    /// The receiver at the URL before this one wants nothing more, and that is no word about this one.
    pub(super) fn gone_elsewhere(&mut self, seq: i64) {
        info!(endpoint = %self.endpoint, "a URL that this endpoint had before is gone (410)");
        self.lane.ask_another(seq);
    }

    /// They were read again. What cannot be used changes nothing: the receiver may well still take what it
    /// took before.
    pub(in crate::deliver) fn reopened(
        &mut self,
        read: Result<Opened<C>, OpenError>,
        now: Instant,
    ) {
        self.doubt.ended(now);
        let is_changed = |opened: &Opened<C>| opened.contents != self.opened.contents;
        if self.renewal.read(read.as_ref().is_ok_and(is_changed)) {
            self.renew(now);
        }
        match read {
            Ok(opened) => {
                self.opened = opened;
                // Parked at another URL is not parked.
                self.stale = true;
            }
            Err(why) => warn!(endpoint = %self.endpoint, reason = %why,
                "cannot read this endpoint's files again: going on with what was read before"),
        }
    }
}
