//! The lanes: one task for each endpoint.

use std::{collections::BTreeMap, future::pending, sync::Arc, time::Duration};

use tokio::{
    sync::watch as latest,
    task::{AbortHandle, JoinSet},
    time::timeout,
};
use tracing::{info, warn};

use super::parts::Links;
use crate::{
    arrival::Name,
    config::checked,
    deliver::{self, LaneSummary, Orders},
    stop::{Life, Stop},
    vitals::{Board, LaneVitals},
};

/// How long lanes may take to notice that their time is over.
pub(super) const CUT_LIMIT: Duration = Duration::from_secs(2);

/// All of them.
pub(super) struct Lanes {
    board: Arc<Board>,
    tasks: JoinSet<(Name, LaneSummary)>,
    running: BTreeMap<Name, Lane>,
    /// Asked to end, and not gone yet.
    leaving: Vec<Lane>,
}

/// One of them, from outside.
struct Lane {
    name: Name,
    vitals: Arc<LaneVitals>,
    stop: latest::Sender<Stop>,
    reopen: latest::Sender<u64>,
    life: Life,
    task: AbortHandle,
}

impl Lanes {
    /// None yet. What they do is told on `board`.
    pub(super) fn new(board: Arc<Board>) -> Self {
        let (tasks, running) = (JoinSet::new(), BTreeMap::new());
        Self { board, tasks, running, leaving: Vec::new() }
    }

    /// Starts delivering to `endpoint`. `renewed`: by a new configuration, while the daemon runs.
    pub(super) fn start(&mut self, endpoint: checked::Endpoint, links: &Links, renewed: bool) {
        let (name, outbox) = (endpoint.name.clone(), links.journal.for_lane());
        let notices = links.notices.clone();
        let (stop, stopping) = latest::channel(Stop::Run);
        let (reopen, reopening) = latest::channel(0);
        let orders = Orders { stop: stopping, reopen: reopening, renewed };
        let (alive, life) = Life::begin();
        let vitals = self.board.add_lane(&name);
        let (own, told) = (name.clone(), Arc::clone(&vitals));
        let task = self.tasks.spawn(async move {
            let _alive = alive;
            (own, deliver::run_lane(endpoint, outbox, told, notices, orders).await)
        });
        let lane = Lane { name: name.clone(), vitals, stop, reopen, life, task };
        self.running.insert(name, lane);
    }

    /// Has every lane read its secret, URL and CA files again, and try everything that waits.
    pub(super) fn reopen(&self) {
        for lane in self.running.values() {
            lane.reopen.send_modify(|turns| *turns += 1);
        }
    }

    /// Ends these: requests under way may finish for up to `drain`, then they are cut and not charged.
    pub(super) async fn stop(&mut self, names: &[Name], drain: Duration) {
        self.leaving.extend(names.iter().filter_map(|name| self.running.remove(name)));
        for (order, limit) in [(Stop::Drain, drain), (Stop::Now, CUT_LIMIT)] {
            for lane in &self.leaving {
                lane.stop.send_modify(|told| *told = order.max(*told));
            }
            let all = async {
                for lane in &mut self.leaving {
                    lane.life.ended().await;
                }
            };
            if timeout(limit, all).await.is_ok() {
                return self.forget();
            }
        }
        self.forget();
    }

    /// Those that were asked to end are gone, or are cut now.
    fn forget(&mut self) {
        for lane in self.leaving.drain(..) {
            lane.task.abort();
            self.board.remove_lane(&lane.name, &lane.vitals);
        }
    }

    /// Ends all of them, as [`Lanes::stop`] does.
    pub(super) async fn stop_all(&mut self, drain: Duration) {
        let names: Vec<Name> = self.running.keys().cloned().collect();
        self.stop(&names, drain).await;
        let rest = async {
            while let Some(ended) = self.tasks.join_next().await {
                if let Ok((endpoint, summary)) = ended {
                    tell(&endpoint, summary);
                }
            }
        };
        if timeout(CUT_LIMIT, rest).await.is_err() {
            warn!("lanes did not end in time");
        }
    }

    /// What ended although nobody asked it to. Waits for ever when nothing does.
    pub(super) async fn broken(&mut self) -> String {
        while let Some(ended) = self.tasks.join_next_with_id().await {
            let id = ended.as_ref().map_or_else(tokio::task::JoinError::id, |(id, _)| *id);
            let was_asked = self.running.values().all(|lane| lane.task.id() != id);
            match ended {
                Ok((_, (endpoint, summary))) if was_asked => tell(&endpoint, summary),
                Err(error) if was_asked && error.is_cancelled() => {}
                Ok((_, (endpoint, _))) => return format!("the lane of {endpoint}"),
                Err(panicked) => return panicked.to_string(),
            }
        }
        pending().await
    }
}

fn tell(endpoint: &Name, summary: LaneSummary) {
    info!(%endpoint, delivered = summary.delivered, cut = summary.cut, "lane ended");
}
