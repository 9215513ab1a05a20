//! How the daemon ends: in order, and never later than it may.

use std::{thread::JoinHandle, time::Duration};

use tokio::time::timeout;
use tracing::{info, warn};

use super::lanes::Lanes;
use crate::{
    journal::{Closing, Journal},
    stop::Stop,
};

/// How long the journal may take to close. It has nothing to lose by then.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// How long lanes may take to notice that their time is over.
const CUT_LIMIT: Duration = Duration::from_secs(2);

/// How long a shutdown takes at most; whoever ends the daemon from outside waits for longer.
pub(super) fn limit(drain: Duration) -> Duration {
    CUT_LIMIT + drain + CUT_LIMIT + CLOSE_LIMIT
}

/// Takes nothing new, lets requests in flight finish for up to `drain`, and closes the journal. No step
/// waits without a limit, whatever a disk or a receiver does.
pub(super) async fn shut_down(
    journal: &Journal,
    thread: JoinHandle<Closing>,
    mut lanes: Lanes,
    drain: Duration,
) {
    // A journal that does not even take this records nothing either.
    let _hangs = timeout(CUT_LIMIT, journal.refuse_arrivals()).await;
    lanes.ask(Stop::Drain);
    if timeout(drain, lanes.ended()).await.is_err() {
        lanes.ask(Stop::Now);
        if timeout(CUT_LIMIT, lanes.ended()).await.is_err() {
            warn!("lanes did not end in time");
        }
    }
    if timeout(CLOSE_LIMIT, close(journal, thread)).await.is_err() {
        warn!("the journal did not close in time; it is checked at the next start");
    }
}

async fn close(journal: &Journal, thread: JoinHandle<Closing>) {
    journal.close().await;
    let joined = tokio::task::spawn_blocking(|| thread.join()).await;
    if let Ok(Ok(Closing { waiting, dead })) = joined {
        info!(waiting, dead, "stopped");
    }
}
