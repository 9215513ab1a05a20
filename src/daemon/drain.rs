//! How the daemon ends: in order, and never later than it may.

use std::{thread::JoinHandle, time::Duration};

use tokio::time::timeout;
use tracing::{info, warn};

use super::lanes::{CUT_LIMIT, Lanes};
use crate::{
    ending::Ending,
    journal::{Closing, Journal},
};

/// How long the journal may take to close. It has nothing to lose by then.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// How long the journal may take to hear of the end.
const TELL_LIMIT: Duration = Duration::from_secs(2);

/// What a daemon that does not answer itself may still spend on requests in flight: its lanes may be what
/// hangs, and all that is lost is that receivers see a repetition.
const UNWELL_DRAIN: Duration = Duration::from_secs(2);

/// How long requests in flight may take.
pub(super) fn patience(ending: Ending, drain: Duration) -> Duration {
    if ending == Ending::SelfCheck { UNWELL_DRAIN.min(drain) } else { drain }
}

/// How long a shutdown takes at most; whoever ends the daemon from outside waits for longer.
pub(super) fn limit(ending: Ending, drain: Duration) -> Duration {
    TELL_LIMIT + patience(ending, drain) + 2 * CUT_LIMIT + CLOSE_LIMIT
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
    let _hangs = timeout(TELL_LIMIT, journal.refuse_arrivals()).await;
    lanes.stop_all(drain).await;
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
