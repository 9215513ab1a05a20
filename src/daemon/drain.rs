//! How the daemon ends: in order, and never later than it may.

use std::{sync::atomic::Ordering::Relaxed, thread::JoinHandle, time::Duration};

use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::lanes::{CUT_LIMIT, Lanes};
use crate::{
    clock, control,
    ending::Ending,
    front,
    journal::{Closing, Journal},
    systemd::Notifier,
    vitals::Board,
};

/// How long the journal may take to close. It has nothing to lose by then.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// How long the journal may take to hear of the end.
const TELL_LIMIT: Duration = Duration::from_secs(2);

/// What a daemon that does not answer itself may still spend on requests in flight: its lanes may be what
/// hangs, and all that is lost is that receivers see a repetition.
const UNWELL_DRAIN: Duration = Duration::from_secs(2);

/// How long the next request may take to end; then the service manager is asked again, or it has had enough.
const EXTEND_BY: Duration = Duration::from_secs(10);

/// How often it is looked whether one has.
const PROGRESS_LOOK: Duration = Duration::from_secs(1);

/// How long requests in flight may take.
pub(super) fn patience(ending: Ending, drain: Duration) -> Duration {
    if ending == Ending::SelfCheck { UNWELL_DRAIN.min(drain) } else { drain }
}

/// How long a shutdown takes at most; whoever ends the daemon from outside waits for longer.
pub(super) fn limit(ending: Ending, drain: Duration) -> Duration {
    TELL_LIMIT + patience(ending, drain) + 2 * CUT_LIMIT + CLOSE_LIMIT + front::CLOSE_LIMIT
}

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

/// Asks the service manager for more time whenever a request has ended, and never otherwise: a drain that
/// does not get on may be ended from outside. Never returns.
pub(super) async fn tell_progress(notifier: &Notifier, board: &Board, patience: Duration) {
    let since = clock::mono();
    let mut left = u64::MAX;
    loop {
        let now = in_flight(board);
        if now < left {
            let rest = patience.saturating_sub(clock::mono().saturating_duration_since(since));
            notifier.extend(rest.min(EXTEND_BY) + 2 * CUT_LIMIT + CLOSE_LIMIT + front::CLOSE_LIMIT);
        }
        left = left.min(now);
        sleep(PROGRESS_LOOK).await;
    }
}

fn in_flight(board: &Board) -> u64 {
    board.lanes().iter().map(|(_, lane)| lane.in_flight.load(Relaxed)).sum()
}
