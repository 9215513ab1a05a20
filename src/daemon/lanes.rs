//! The lanes: one task for each endpoint.

use std::sync::Arc;

use tokio::{sync::watch as latest, task::JoinSet};
use tracing::info;

use crate::{
    arrival::Name,
    config::checked,
    deliver::{self, LaneSummary},
    journal::Journal,
    stop::Stop,
    vitals::LaneVitals,
};

/// All of them, each under the name of its endpoint.
pub(super) struct Lanes {
    tasks: JoinSet<(Name, LaneSummary)>,
    stop: latest::Sender<Stop>,
}

impl Lanes {
    pub(super) fn start(endpoints: Vec<checked::Endpoint>, journal: &Journal) -> Self {
        let mut tasks = JoinSet::new();
        let (stop, stopping) = latest::channel(Stop::Run);
        for endpoint in endpoints {
            let (name, outbox, stopping) =
                (endpoint.name.clone(), journal.for_lane(), stopping.clone());
            let vitals = Arc::new(LaneVitals::default());
            tasks.spawn(async move {
                (name, deliver::run_lane(endpoint, outbox, vitals, stopping).await)
            });
        }
        Self { tasks, stop }
    }

    /// What ended although nobody asked it to. Waits for ever when nothing does.
    pub(super) async fn broken(&mut self) -> String {
        match self.tasks.join_next().await {
            Some(Ok((name, _))) => format!("the lane of {name}"),
            Some(Err(panicked)) => panicked.to_string(),
            None => std::future::pending().await,
        }
    }

    pub(super) fn ask(&self, stop: Stop) {
        self.stop.send_replace(stop);
    }

    /// Waits until every lane has ended.
    pub(super) async fn ended(&mut self) {
        while let Some(ended) = self.tasks.join_next().await {
            if let Ok((endpoint, summary)) = ended {
                info!(%endpoint, delivered = summary.delivered, cut = summary.cut, "lane ended");
            }
        }
    }
}
