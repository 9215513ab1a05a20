//! The worker and the files of its endpoint: URL, secrets, headers, certificates.

use std::time::Instant;

use tracing::warn;

use super::{Courier, OpenError, Opened, Parking, Stop, Worker};

impl<C: Courier> Worker<C> {
    /// Whether they are to be read again now; [`Worker::reopened`] has to follow.
    pub(in crate::deliver) fn wants_files(&mut self, now: Instant) -> bool {
        let ready = self.parking == Parking::Open && self.lane.is_ready(now);
        let parked = self.parking == Parking::Parked;
        self.stop == Stop::Run && self.doubt.begins(ready, parked, now)
    }

    /// They were read again. What cannot be used changes nothing: the receiver may well still take what it
    /// took before.
    pub(in crate::deliver) fn reopened(
        &mut self,
        read: Result<Opened<C>, OpenError>,
        now: Instant,
    ) {
        self.doubt.ended(now);
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
