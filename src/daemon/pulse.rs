//! What the service manager is told while the daemon runs: that it is ready, that it is alive, and how it is.

use std::{sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tracing::{error, info};

use super::line;
use crate::{
    clock, front,
    restart::spell::Spell,
    systemd::Notifier,
    vitals::{Board, Phase, Sight},
};

/// How often `systemctl status` gets a new line where nobody wants to hear that we are alive.
const STATUS_EVERY: Duration = Duration::from_mins(1);

/// A root that hangs, or a journal that is being checked, does not keep the daemon from being ready: so
/// long they are waited for.
const READY_LIMIT: Duration = Duration::from_secs(5);
const READY_LOOK: Duration = Duration::from_millis(20);

/// Whom to tell, and what about.
pub(super) struct Pulse {
    pub(super) notifier: Notifier,
    /// Within which time the manager wants to hear that we are alive.
    pub(super) watchdog: Option<Duration>,
    pub(super) board: Arc<Board>,
    pub(super) front: front::Handle,
}

impl Pulse {
    /// Whether every stage turns over, and the front, too: it is the front's thread that is asked. With it
    /// the line that says so.
    async fn judged(&self, limit: Duration) -> (bool, String) {
        let health = self.front.health(&self.board, limit).await;
        let line = line::of(&self.board, clock::mono());
        match health {
            Some(health) => (health.is_good(), line),
            None => (false, format!("{line}; STUCK: front")),
        }
    }
}

/// Tells it for ever, if anybody wants to know.
pub(super) async fn beat(pulse: &Pulse) {
    let Pulse { notifier, watchdog, board, .. } = pulse;
    if !notifier.is_wanted() {
        return std::future::pending().await;
    }
    until_tried(board).await;
    notifier.ready(&line::of(board, clock::mono()));
    // Twice as often as it is wanted (`sd_watchdog_enabled(3)`).
    let every = watchdog.map_or(STATUS_EVERY, |limit| limit / 2);
    let mut turn = interval(every);
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut spell, mut was_healthy) = (Spell::new(clock::mono()), true);
    loop {
        turn.tick().await;
        let (is_healthy, line) = pulse.judged(every).await;
        match (was_healthy, is_healthy) {
            (true, false) => error!(status = line, "not healthy: the watchdog is not fed"),
            (false, true) => info!("healthy again"),
            _ => {}
        }
        was_healthy = is_healthy;
        if is_healthy && watchdog.is_some() {
            notifier.ping();
        }
        notifier.status(&line);
        if spell.turn(is_healthy, clock::mono()) {
            notifier.reset_restarts();
        }
    }
}

/// Waits until the stages run, the journal was opened or could not be, and every root was looked at.
async fn until_tried(board: &Board) {
    while board.phase() == Phase::Starting {
        sleep(READY_LOOK).await;
    }
    let is_tried = || {
        let ledger = board.journal.ledger();
        let seen = |sight: &Sight| !matches!(sight, Sight::None);
        (ledger.open || ledger.degraded.is_some())
            && board.watches().iter().all(|(_, watch)| seen(&watch.state().sight))
    };
    let all_tried = async {
        while !is_tried() {
            sleep(READY_LOOK).await;
        }
    };
    if timeout(READY_LIMIT, all_tried).await.is_err() {
        info!("ready, although not everything could be looked at yet");
    }
}
