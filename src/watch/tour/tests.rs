use std::{fs, io, sync::Mutex};

use super::{super::tests, *};
use crate::{arrival::Scanned, config::checked::Marker};

/// A journal that knows these paths, and notes what it is told to record silently.
#[derive(Default)]
struct Journal {
    known: Vec<&'static str>,
    recorded: Mutex<Vec<RelPath>>,
}

impl Memory for Journal {
    fn recall(&self, entries: Vec<Present>) -> Result<Vec<Recall>, Unavailable> {
        let knows = |path: &RelPath| self.known.iter().any(|k| k.as_bytes() == path.as_bytes());
        let answer = |e: Present| if knows(&e.path) { Recall::Known } else { Recall::Unknown };
        Ok(entries.into_iter().map(answer).collect())
    }

    fn baseline(&self, entries: Vec<Present>) -> Result<(), Unavailable> {
        assert!(!entries.is_empty(), "nothing to record is no question");
        self.recorded.lock().unwrap().extend(entries.into_iter().map(|entry| entry.path));
        Ok(())
    }

    fn first_scan(&self) -> Result<Option<FirstScan>, Unavailable> {
        Err(Unavailable)
    }

    fn scanned(&self, _: Scanned) -> Result<bool, Unavailable> {
        Err(Unavailable)
    }

    fn remembered(&self, _: RelPath) -> Result<Vec<RelPath>, Unavailable> {
        Err(Unavailable)
    }

    fn gone(&self, _: Vec<RelPath>) -> Result<(), Unavailable> {
        Err(Unavailable)
    }
}

struct Bench {
    dir: tempfile::TempDir,
    config: Watch,
    journal: Journal,
    late: bool,
}

impl Bench {
    fn with(initial: Initial) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = Watch { initial, ..tests::watch(dir.path()) };
        Self { dir, config, journal: Journal::default(), late: false }
    }

    fn file(&self, name: &str) -> fs::File {
        fs::File::create(self.dir.path().join(name)).unwrap()
    }

    fn files(&self, names: &[&str]) {
        for name in names {
            drop(self.file(name));
        }
    }

    fn policy(&self) -> Policy {
        stat::place_policy(self.dir.path()).unwrap()
    }

    /// What a tour makes of these files, and how many it knew.
    fn tour(&self, first: Option<FirstScan>, names: &[&str]) -> (Vec<(String, Found)>, u64) {
        let sample = |name: &&str| {
            let path = RelPath::from_bytes(name.as_bytes());
            let sample = stat::entry(&path.under(self.dir.path())).unwrap();
            (path, sample)
        };
        let files = names.iter().map(sample).collect();
        self.news(first, files)
    }

    fn news(
        &self,
        first: Option<FirstScan>,
        files: Vec<(RelPath, Sample)>,
    ) -> (Vec<(String, Found)>, u64) {
        let walk = Walk::over(self.dir.path().into(), [RelPath::root()]);
        let mut tour = Tour::new(walk, first, crate::clock::mono());
        let slice = Slice { policy: self.policy(), is_late: self.late, files, other_size: 0 };
        let seen = tour.news(&self.config, &self.journal, slice).unwrap();
        let told = seen.iter().map(|s| (s.path.to_string(), s.found)).collect();
        (told, tour.known)
    }

    fn recorded(&self) -> Vec<String> {
        self.journal.recorded.lock().unwrap().iter().map(ToString::to_string).collect()
    }
}

fn found(name: &str, found: Found) -> (String, Found) {
    (name.to_owned(), found)
}

#[test]
fn what_a_file_is_found_as_follows_from_the_scan_and_from_when_its_directory_came() {
    use FirstScan::{AfterLoss, AsConfigured};
    let table = [
        (Initial::Deliver, Some(AsConfigured), false, Some(Found::InitialScan)),
        (Initial::Deliver, Some(AsConfigured), true, Some(Found::Scan)),
        (Initial::Deliver, Some(AfterLoss), false, Some(Found::InitialScan)),
        (Initial::Deliver, None, false, Some(Found::Scan)),
        (Initial::Baseline, Some(AsConfigured), false, None),
        (Initial::Baseline, Some(AsConfigured), true, Some(Found::Event)),
        (Initial::Baseline, Some(AfterLoss), false, Some(Found::InitialScan)),
        (Initial::Baseline, None, false, Some(Found::Scan)),
        (Initial::Baseline, None, true, Some(Found::Scan)),
    ];
    for (initial, first, late, as_what) in table {
        let mut bench = Bench::with(initial);
        bench.late = late;
        drop(bench.file("a"));
        let (told, _) = bench.tour(first, &["a"]);
        let case = format!("{initial:?} {first:?} late: {late}");
        assert_eq!(told, Vec::from_iter(as_what.map(|what| found("a", what))), "{case}");
        assert_eq!(bench.recorded().len(), usize::from(as_what.is_none()), "{case}");
    }
}

#[test]
fn known_files_are_no_news_and_are_counted_once() {
    let mut bench = Bench::with(Initial::Deliver);
    bench.files(&["a", "b", "c"]);
    bench.journal.known = vec!["a", "c"];
    assert_eq!(bench.tour(None, &["a", "b", "c"]), (vec![found("b", Found::Scan)], 2));
    bench.late = true;
    assert_eq!(bench.tour(None, &["a", "b", "c"]), (vec![found("b", Found::Scan)], 0));
}

#[test]
fn a_baseline_records_what_is_whole_and_reports_what_is_being_written() {
    let mut bench = Bench::with(Initial::Baseline);
    if !bench.policy().lease {
        return; // proven through the daemon, which says so loudly where it cannot be
    }
    drop(bench.file("whole"));
    let writer = bench.file("open");
    let first = Some(FirstScan::AsConfigured);
    let (told, _) = bench.tour(first, &["whole", "open"]);
    assert_eq!((told, bench.recorded()), (vec![found("open", Found::Scan)], vec!["whole".into()]));
    bench.journal = Journal { known: vec!["open"], ..Journal::default() };
    assert!(bench.tour(first, &["open"]).0.is_empty(), "known from before: no news, open or not");
    bench.journal = Journal::default();
    bench.config.writer_detection = false;
    assert!(bench.tour(first, &["open"]).0.is_empty(), "nobody may be asked");
    drop(writer);
}

#[test]
fn a_baseline_reports_what_changed_since_it_was_looked_at() -> io::Result<()> {
    let bench = Bench::with(Initial::Baseline);
    let file = bench.file("a");
    let files = vec![(RelPath::from_bytes(b"a"), stat::opened(&file)?)];
    file.set_len(9)?;
    drop(file);
    let (told, _) = bench.news(Some(FirstScan::AsConfigured), files);
    let expected = if bench.policy().lease { vec![found("a", Found::Scan)] } else { Vec::new() };
    assert_eq!(told, expected);
    Ok(())
}

#[test]
fn a_baseline_leaves_out_what_waits_for_its_marker() {
    let mut bench = Bench::with(Initial::Baseline);
    bench.config.done_marker = Some(Marker { prefix: Vec::new(), suffix: b".done".to_vec() });
    bench.files(&["released", "released.done", "waits"]);
    let (told, _) = bench.tour(Some(FirstScan::AsConfigured), &["released", "waits"]);
    assert_eq!(told, vec![found("waits", Found::Scan)]);
    assert_eq!(bench.recorded(), vec!["released"]);
}
