use proptest::prelude::*;

use super::*;
use crate::arrival::{Kind, Stamp, Witness};

const QUIET: Duration = Duration::from_secs(2);

fn path(text: &str) -> RelPath {
    RelPath::from_bytes(text.as_bytes())
}

fn sample(content: u64) -> Sample {
    let at = |sec: u64| Stamp { sec: i64::try_from(sec).unwrap(), nsec: 0 };
    Sample {
        kind: Kind::File,
        ino: 7,
        birth: Some(at(1)),
        size: content,
        mtime: at(content),
        ctime: at(content),
        witness: Witness::default(),
    }
}

fn seen(name: &str, content: u64, found: Found) -> Sighting {
    Sighting { path: path(name), sample: Some(sample(content)), found }
}

fn looked(content: u64) -> Outcome {
    Outcome::Looked { sample: sample(content), identity: Identity::Inode, asked: true }
}

/// A tracker, and a clock that only the test moves.
struct Bench {
    tracker: Tracker,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        Self { tracker: Tracker::new(QUIET), now: crate::clock::mono() }
    }

    fn after(&mut self, millis: u64) -> &mut Self {
        self.now += Duration::from_millis(millis);
        self
    }

    fn sight(&mut self, content: u64, found: Found) -> &mut Self {
        self.tracker.sighted(seen("f", content, found), self.now);
        self
    }

    fn due(&mut self) -> usize {
        self.tracker.due(self.now, 100).len()
    }

    fn look(&mut self, outcome: &Outcome) -> Step {
        assert_eq!(self.due(), 1, "nothing was due");
        self.tracker.looked(&path("f"), outcome, self.now)
    }
}

#[test]
fn nothing_is_due_before_the_quiet_period_has_passed() {
    let mut bench = Bench::new();
    bench.sight(1, Found::Event);
    assert_eq!(bench.after(1999).due(), 0);
    assert_eq!(bench.after(1).due(), 1);
}

#[test]
fn a_longer_quiet_period_holds_for_what_waits_already_and_a_shorter_one_does_not() {
    let mut bench = Bench::new();
    bench.sight(1, Found::Scan);
    bench.tracker.set_quiet(QUIET * 2);
    bench.tracker.set_quiet(QUIET);
    assert_eq!(bench.after(3999).due(), 0);
    assert!(matches!(bench.after(1).look(&looked(1)), Step::Settled(..)));
    bench.sight(2, Found::Scan).after(1999);
    assert_eq!(bench.due(), 0);
    assert!(matches!(bench.after(1).look(&looked(2)), Step::Settled(..)));
}

#[test]
fn an_event_starts_the_quiet_period_again_even_when_nothing_changed() {
    let mut bench = Bench::new();
    bench.sight(1, Found::Event).after(1500).sight(1, Found::Event);
    assert_eq!(bench.after(1999).due(), 0);
    assert_eq!(bench.after(1).due(), 1);
}

#[test]
fn a_scan_that_meets_an_unchanged_candidate_does_not_hold_it_back() {
    let mut bench = Bench::new();
    bench.sight(1, Found::Event).after(1500).sight(1, Found::Scan);
    assert_eq!(bench.after(500).due(), 1);
}

#[test]
fn a_scan_that_meets_a_changed_candidate_starts_the_period_again() {
    let mut bench = Bench::new();
    bench.sight(1, Found::Event).after(1500).sight(2, Found::Scan);
    assert_eq!(bench.after(1999).due(), 0);
}

#[test]
fn two_equal_samples_settle() {
    let mut bench = Bench::new();
    bench.sight(1, Found::Event).after(2000);
    assert!(matches!(bench.look(&looked(1)), Step::Settled(_, Writers::RuledOut)));
    assert_eq!(bench.tracker.len(), 0);
}

#[test]
fn a_changed_sample_waits_for_another_whole_period() {
    let mut bench = Bench::new();
    bench.sight(1, Found::Event).after(2000);
    assert!(matches!(bench.look(&looked(2)), Step::Waits));
    assert_eq!(bench.after(1999).due(), 0);
    bench.after(1);
    assert!(matches!(bench.look(&looked(2)), Step::Settled(..)));
}

#[test]
fn a_file_whose_marker_was_seen_first_needs_a_sample_of_its_own() {
    let mut bench = Bench::new();
    bench
        .tracker
        .sighted(Sighting { path: path("f"), sample: None, found: Found::Event }, bench.now);
    bench.after(2000);
    assert!(matches!(bench.look(&looked(1)), Step::Waits), "one look is not two samples");
    bench.after(2000);
    assert!(matches!(bench.look(&looked(1)), Step::Settled(..)));
}

#[test]
fn a_writer_is_asked_about_less_and_less_often_but_at_least_every_half_minute() {
    let mut bench = Bench::new();
    bench.sight(1, Found::Event).after(2000);
    assert!(matches!(bench.look(&Outcome::Writing), Step::HeldByWriter { first: true }));
    for wait in [2, 4, 8, 16, 30, 30, 30] {
        assert_eq!(bench.after(wait * 1000 - 1).due(), 0, "{wait}");
        bench.after(1);
        assert!(matches!(bench.look(&Outcome::Writing), Step::HeldByWriter { first: false }));
    }
}

#[test]
fn the_close_of_a_long_writer_shortens_the_wait_to_one_quiet_period() {
    let mut bench = Bench::new();
    bench.sight(1, Found::Event).after(2000);
    for wait in [2, 4, 8] {
        bench.look(&Outcome::Writing);
        bench.after(wait * 1000);
    }
    bench.look(&Outcome::Writing);
    bench.sight(2, Found::Event).after(2000);
    assert!(matches!(bench.look(&looked(2)), Step::Settled(..)));
}

#[test]
fn what_is_gone_does_not_count_or_cannot_be_looked_at_is_dropped() {
    let unclear = Outcome::Unclear(io::ErrorKind::InvalidFilename.into());
    for outcome in
        [Outcome::Gone, Outcome::NotAFile, Outcome::OtherSize, Outcome::NoMarker, unclear]
    {
        let mut bench = Bench::new();
        bench.sight(1, Found::Event).after(2000);
        assert!(matches!(bench.look(&outcome), Step::Dropped));
        assert_eq!((bench.tracker.len(), bench.tracker.next_deadline()), (0, None));
        assert_eq!(bench.tracker.bytes(), 0);
    }
}

/// Nothing else would bring it back.
#[test]
fn what_this_machine_could_not_look_at_for_want_of_descriptors_is_looked_at_again() {
    let mut bench = Bench::new();
    bench.sight(1, Found::Event).after(2000);
    for _ in 0..3 {
        let shortage = io::Error::from_raw_os_error(rustix::io::Errno::MFILE.raw_os_error());
        assert!(matches!(bench.look(&Outcome::Short(shortage)), Step::Waits));
        bench.after(2000);
    }
    assert!(matches!(bench.look(&looked(1)), Step::Settled(..)));
}

#[test]
fn how_a_file_was_found_is_told_by_the_first_sighting_and_an_event_outdoes_a_scan() {
    use Found::{Event, InitialScan, Scan};
    let table = [
        ([Event, Scan], Event),
        ([Event, InitialScan], Event),
        ([Event, Event], Event),
        ([Scan, Event], Event),
        ([Scan, Scan], Scan),
        ([InitialScan, Event], InitialScan),
        ([InitialScan, Scan], InitialScan),
    ];
    for (sightings, found) in table {
        for (first, second) in [(1, 1), (1, 2)] {
            let mut bench = Bench::new();
            bench.sight(first, sightings[0]).after(100).sight(second, sightings[1]).after(2000);
            let Step::Settled(settled, _) = bench.look(&looked(second)) else {
                panic!("{sightings:?}")
            };
            assert_eq!(settled.found, found, "{sightings:?}, changed: {}", first != second);
        }
    }
}

#[test]
fn what_the_journal_had_no_room_for_is_looked_at_again_with_two_new_samples() {
    let mut bench = Bench::new();
    bench.sight(1, Found::InitialScan).after(2000);
    let Step::Settled(settled, _) = bench.look(&looked(1)) else { panic!("not settled") };
    bench.tracker.again(settled, Duration::from_secs(5), bench.now);
    assert_eq!(bench.after(4999).due(), 0);
    bench.after(1);
    assert!(matches!(bench.look(&looked(1)), Step::Waits));
    bench.after(2000);
    let Step::Settled(settled, _) = bench.look(&looked(1)) else { panic!("not settled") };
    assert_eq!(settled.found, Found::InitialScan, "it was there from the start, and still is");
}

#[test]
fn a_file_that_does_not_settle_is_named_once() {
    let mut bench = Bench::new();
    bench.sight(1, Found::Event).after(600_000);
    let after = Duration::from_mins(10);
    assert_eq!(bench.tracker.stuck(after, bench.now), [(path("f"), after)]);
    assert!(bench.tracker.stuck(after, bench.now).is_empty());
}

#[derive(Clone, Debug)]
enum Happening {
    Event(u8),
    Scan(u8),
    Pass(u16),
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let one = prop_oneof![
        (0..4_u8).prop_map(Happening::Event),
        (0..4_u8).prop_map(Happening::Scan),
        (0..3000_u16).prop_map(Happening::Pass),
    ];
    prop::collection::vec(one, 1..60)
}

proptest! {
    /// Against a model that knows only the last sign of life and the present content.
    #[test]
    fn a_file_settles_exactly_when_it_was_left_alone_for_a_quiet_period(happenings in happenings()) {
        let mut bench = Bench::new();
        let (mut content, mut last_sign) = (0_u64, None);
        for happening in happenings {
            match happening {
                Happening::Event(now) => {
                    content = now.into();
                    bench.sight(content, Found::Event);
                    last_sign = Some(bench.now);
                }
                Happening::Scan(now) => {
                    let changed = content != u64::from(now) || last_sign.is_none();
                    content = now.into();
                    bench.sight(content, Found::Scan);
                    if changed {
                        last_sign = Some(bench.now);
                    }
                }
                Happening::Pass(millis) => {
                    bench.after(millis.into());
                    let now = bench.now;
                    for (path, _) in bench.tracker.due(now, 10) {
                        let step = bench.tracker.looked(&path, &looked(content), now);
                        let quiet_for = now - last_sign.take().expect("due without a sign of life");
                        prop_assert!(matches!(step, Step::Settled(..)), "{step:?}");
                        prop_assert!(quiet_for >= QUIET, "settled after {quiet_for:?}");
                    }
                    let overdue = last_sign.is_some_and(|sign| now - sign >= QUIET);
                    prop_assert!(!overdue, "left alone long enough, and not settled");
                }
            }
            prop_assert_eq!(bench.tracker.len(), usize::from(last_sign.is_some()));
            prop_assert_eq!(bench.tracker.deadlines.len(), bench.tracker.waiting.len());
            prop_assert_eq!(bench.tracker.path_bytes, bench.tracker.waiting.len());
        }
    }
}
