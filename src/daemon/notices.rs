//! Takes notices to the journal. It waits for the journal; nobody waits for it.

use std::time::Duration;

use crate::{
    arrival::Unavailable,
    journal::Journal,
    notice::{About, Kind, Notice, Notices},
};

/// How long a journal that cannot be used is left alone.
const AGAIN: Duration = Duration::from_secs(2);

/// For as long as the daemon runs. The first one says that it has started.
pub(super) async fn carry(notices: Notices, journal: Journal) {
    let beginning = persist(|| journal.beginning()).await;
    let started = Notice::new(Kind::Started, About::Daemon)
        .text("version", env!("CARGO_PKG_VERSION"))
        .flag("after_crash", beginning.after_crash);
    notices.tell(started);
    loop {
        let told = notices.next().await;
        persist(|| journal.notify(told.clone())).await;
    }
}

async fn persist<T, F: Future<Output = Result<T, Unavailable>>>(ask: impl Fn() -> F) -> T {
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(Unavailable) => tokio::time::sleep(AGAIN).await,
        }
    }
}
