//! What can be asked of the journal's writer.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::{
    Beginning, Reply,
    configured::Configured,
    desk::Treated,
    look::{Detail, Filter, Page, Place},
    remedy::Remedy,
    source::Source,
};
use crate::arrival::{
    Conclusion, DueBatch, FirstScan, Name, Present, Recall, Recorded, RelPath, Scanned, Settled,
    Unavailable, UrlPrint,
};
use crate::notice::Told;

/// Questions answered by one transaction.
const GROUP_MAX: usize = 128;

/// A question that is answered alone.
pub(super) type Change = (Box<Configured>, Reply<()>);

/// One question, with the way to answer it. Dropping it tells its asker that the journal is unavailable.
pub(crate) enum Question {
    Record { source: Arc<Source>, batch: Vec<Settled>, reply: Reply<Vec<Recorded>> },
    Recall { source: Arc<Source>, entries: Vec<Present>, reply: Reply<Vec<Recall>> },
    Baseline { source: Arc<Source>, entries: Vec<Present>, reply: Reply<()> },
    FirstScan { source: Arc<Source>, reply: Reply<Option<FirstScan>> },
    Scanned { source: Arc<Source>, scan: Scanned, reply: Reply<bool> },
    Remembered { source: Arc<Source>, after: RelPath, reply: Reply<Vec<RelPath>> },
    Gone { source: Arc<Source>, paths: Vec<RelPath>, reply: Reply<()> },
    Due { endpoint: Name, held: Vec<i64>, limit: usize, reply: Reply<DueBatch> },
    Conclude { endpoint: Name, ends: Vec<(i64, Conclusion)>, reply: Reply<()> },
    Release { endpoint: Name, reply: Reply<()> },
    Park { endpoint: Name, url: UrlPrint, reply: Reply<()> },
    IsParked { endpoint: Name, url: UrlPrint, reply: Reply<bool> },
    Page { filter: Filter, after: Place, limit: usize, reply: Reply<Page> },
    Detail { place: Place, reply: Reply<Option<Detail>> },
    Treat { remedy: Remedy, filter: Filter, after: Place, reply: Reply<Treated> },
    Resume { endpoint: Name, reply: Reply<Option<bool>> },
    Missing { endpoint: Name, held: Vec<i64>, reply: Reply<Vec<i64>> },
    Notice { told: Told, reply: Reply<()> },
    Configure { configured: Box<Configured>, reply: Reply<()> },
    Beginning { reply: Reply<Beginning> },
    RefuseArrivals,
    Close,
}

/// Sends one answer, or the news that there is none.
pub(super) type Answer = Box<dyn FnOnce(Result<(), Unavailable>)>;

pub(super) fn answer<T: 'static>(reply: Reply<T>, value: T) -> Answer {
    Box::new(move |committed| {
        // Whoever asked may have gone meanwhile (a cancelled request).
        let _asker_gone = reply.send(committed.map(|()| value));
    })
}

impl Question {
    /// Whether answering it changes the database.
    pub(super) fn writes(&self) -> bool {
        matches!(
            self,
            Self::Record { .. }
                | Self::Baseline { .. }
                | Self::Scanned { .. }
                | Self::Gone { .. }
                | Self::Conclude { .. }
                | Self::Release { .. }
                | Self::Park { .. }
                | Self::Treat { .. }
                | Self::Resume { .. }
                | Self::Notice { .. }
        )
    }
}

/// What is waiting, up to a change of the configuration: what was asked before it is answered before.
pub(super) fn group(
    first: Question,
    questions: &mut mpsc::Receiver<Question>,
) -> (Vec<Question>, Option<Change>) {
    let (mut group, mut next) = (Vec::new(), Some(first));
    while let Some(question) = next.take() {
        match question {
            Question::Configure { configured, reply } => {
                return (group, Some((configured, reply)));
            }
            question => group.push(question),
        }
        if group.len() < GROUP_MAX {
            next = questions.try_recv().ok();
        }
    }
    (group, None)
}
