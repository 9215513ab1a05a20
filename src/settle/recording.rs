//! Handing over to the journal: a batch is on its way there while the files of the next are looked at.

use tracing::warn;

use super::Stage;
use crate::{
    arrival::{Answers, Recorded, Settled},
    clock,
    notice::Kind,
    vitals::WatchVitals,
};

/// A batch that the journal has not answered yet. There is at most one.
pub(super) struct UnderWay {
    files: Vec<Settled>,
    answers: Answers,
}

impl Stage {
    /// Hands these over, once the journal has answered the batch before.
    pub(super) fn hand_over(&mut self, files: Vec<Settled>) {
        self.take_answers();
        let answers = self.ports.recorder.record(files.clone());
        self.under_way = Some(UnderWay { files, answers });
    }

    /// Waits for the answers that are outstanding. What the journal had no room for is waited for again.
    pub(super) fn take_answers(&mut self) {
        let Some(UnderWay { files, answers }) = self.under_way.take() else { return };
        let answers = answers();
        self.count(&answers);
        let now = clock::mono();
        let both = files.into_iter().zip(&answers);
        let refused = both.filter(|(_, answer)| **answer == Recorded::NoRoom);
        let refused: Vec<Settled> = refused.map(|(file, _)| file).collect();
        if refused.is_empty() {
            self.pace.recorded(now);
            return;
        }
        let (wait, is_news) = self.pace.refused(now);
        if is_news {
            warn!(watch = %self.config.name, files = refused.len(),
                "the journal has no room: files stay in their directory until it has");
            let files = u64::try_from(refused.len()).unwrap_or(u64::MAX);
            self.ports.notices.tell(self.notice(Kind::OutboxFull).number("files", files));
        }
        for settled in refused {
            self.tracker.again(settled, wait, now);
        }
    }

    fn count(&self, answers: &[Recorded]) {
        let known = answers.iter().filter(|answer| **answer == Recorded::AlreadySeen).count();
        let new = answers.iter().filter(|answer| matches!(answer, Recorded::New(_))).count();
        WatchVitals::count(&self.ports.vitals.known, known as u64);
        WatchVitals::count(&self.ports.vitals.recorded, new as u64);
    }
}
