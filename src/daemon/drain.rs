//! How the daemon ends: in order, and never later than it may.

use std::{thread::JoinHandle, time::Duration};

use tokio::time::timeout;
use tracing::{info, warn};

use super::lanes::Lanes;
use crate::{
    control,
    journal::{Closing, Journal},
};

/// How long the journal may take to close. It has nothing to lose by then.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// How long the journal may take to hear of the end.
const TELL_LIMIT: Duration = Duration::from_secs(2);

/// Takes nothing new, lets requests in flight finish for up to `drain`, and closes the journal. No step
/// waits without a limit, whatever a disk or a receiver does.
pub(super) async fn shut_down(
    journal: &Journal,
    thread: JoinHandle<Closing>,
    mut lanes: Lanes,
    drain: Duration,
    control: &control::Socket,
) {
    // A journal that does not even take this records nothing either.
    let _hangs = timeout(TELL_LIMIT, journal.refuse_arrivals()).await;
    lanes.stop_all(drain).await;
    // Before the journal is given up: the next daemon has one of its own.
    control.withdraw();
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
