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
            self.pace.recorded(answers.len(), now);
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

#[cfg(test)]
mod tests {
    use std::{
        path::Path,
        sync::{
            Arc, Mutex,
            mpsc::{SyncSender, sync_channel},
        },
        time::Duration,
    };

    use super::*;
    use crate::{
        arrival::{EventId, Found, Recorder, RelPath, Report, Sighting},
        config::{self, Sources, checked::Watch},
        notice::Notices,
        settle::Ports,
        stat,
        stop::Life,
        vitals::WatchVitals,
    };

    /// Says what was asked of it and answered, in turn. Has room for the first batch only when `full`.
    #[derive(Clone, Default)]
    struct Journal {
        told: Arc<Mutex<Vec<String>>>,
        full: bool,
    }

    impl Recorder for Journal {
        fn record(&self, batch: Vec<Settled>) -> Answers {
            let journal = self.clone();
            journal.told.lock().unwrap().push(format!("asked {}", batch.len()));
            Box::new(move || {
                journal.told.lock().unwrap().push(format!("answered {}", batch.len()));
                let answer =
                    if journal.full { Recorded::NoRoom } else { Recorded::New(EventId([0; 16])) };
                vec![answer; batch.len()]
            })
        }
    }

    fn watch(root: &Path) -> Watch {
        let file = root.join("watchd.toml");
        let endpoint = "[endpoint.a]\nurl = \"http://127.0.0.1:9/\"";
        std::fs::write(
            &file,
            format!("[watch.w]\npath = {root:?}\n{endpoint}\n[state]\ndir = \"/s\"\n"),
        )
        .unwrap();
        let sources = Sources { config: Some(file), ..Sources::default() };
        let config = config::load(&sources).unwrap_or_else(|problems| panic!("{problems}")).config;
        Watch { quiet: Duration::ZERO, writer_detection: false, ..config.watches[0].clone() }
    }

    /// A stage that was told of so many whole files.
    fn stage(root: &Path, files: usize, journal: &Journal) -> (Stage, SyncSender<Report>) {
        let (send, reports) = sync_channel(1);
        let seen = (0..files).map(|number| {
            let path = RelPath::from_bytes(number.to_string().as_bytes());
            std::fs::write(path.under(root), "x").unwrap();
            let sample = stat::entry(&path.under(root)).ok();
            Sighting { path, sample, found: Found::Event }
        });
        send.send(Report::Seen(seen.collect())).unwrap();
        let recorder = Box::new(journal.clone());
        let (vitals, (alive, _)) = (Arc::new(WatchVitals::new(root)), Life::begin());
        let notices = Notices::default();
        let mut stage =
            Stage::new(watch(root), Ports { reports, recorder, vitals, alive, notices });
        stage.take_reports();
        (stage, send)
    }

    #[test]
    fn batches_are_recorded_one_after_the_other_and_the_last_is_waited_for() {
        let (root, journal) = (tempfile::tempdir().unwrap(), Journal::default());
        let (mut stage, _watch) = stage(root.path(), 300, &journal);
        let mut told = Vec::new();
        while told.len() < 6 {
            stage.step(clock::mono());
            told.clone_from(&journal.told.lock().unwrap());
        }
        let turns =
            ["asked 128", "answered 128", "asked 128", "answered 128", "asked 44", "answered 44"];
        assert_eq!(told, turns);
    }

    #[test]
    fn no_wait_begins_before_it_is_known_what_the_journal_refused() {
        let (root, journal) =
            (tempfile::tempdir().unwrap(), Journal { full: true, ..Journal::default() });
        for files in [1, 128, 129] {
            let (mut stage, _watch) = stage(root.path(), files, &journal);
            while stage.tracker.deadline_of(1).is_some_and(|at| at <= clock::mono()) {
                stage.step(clock::mono());
            }
            assert!(stage.under_way.is_none() && stage.tracker.len() == files);
            assert!(stage.patience() <= Duration::from_secs(1), "{files}: {:?}", stage.patience());
        }
    }
}
