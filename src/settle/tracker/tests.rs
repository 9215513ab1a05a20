use proptest::prelude::*;

use super::*;
use crate::arrival::{Kind, Stamp, Witness};

const QUIET: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_secs(1);

/// Magic numbers: the second steps mtime by two seconds, the third has no events.
const EXT4: u64 = 0xef53;
const VFAT: u64 = 0x4d44;
const FUSE: u64 = 0x6573_5546;

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
    Outcome::Looked { sample: sample(content), policy: Policy::of(EXT4), asked: true }
}

/// A tracker, and a clock that only the test moves.
struct Bench {
    tracker: Tracker,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        Self { tracker: Tracker::new(QUIET, POLL), now: crate::clock::mono() }
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

    fn stuck(&mut self) -> Stuck {
        self.tracker.stuck(QUIET, self.now)
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
    assert_eq!(bench.tracker.adopt(Policy::of(VFAT)), QUIET * 2);
    assert_eq!(bench.tracker.adopt(Policy::of(EXT4)), QUIET);
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
    bench.sight(1, Found::Event).after(599_000).sight(2, Found::Event).after(1000);
    let after = Duration::from_mins(10);
    let told = Stuck { named: vec![(path("f"), after)], others: 0 };
    assert_eq!(bench.tracker.stuck(after, bench.now), told);
    assert_eq!(bench.tracker.stuck(after, bench.now), Stuck::default());
}

#[test]
fn of_many_files_that_do_not_settle_the_oldest_are_named_and_the_others_counted() {
    let mut bench = Bench::new();
    for content in [1, 2] {
        for number in 0..1000 {
            bench.tracker.sighted(seen(&number.to_string(), content, Found::Event), bench.now);
            bench.after(1);
        }
        bench.after(500);
    }
    let Stuck { named, others } = bench.stuck();
    let names: Vec<_> = named.iter().map(|(path, _)| path.to_string()).collect();
    assert_eq!(names, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    assert_eq!(others, 990);
    assert_eq!(bench.stuck(), Stuck::default(), "each is told once");
}

/// While the journal has no room nothing is looked at.
#[test]
fn a_file_that_nobody_has_looked_at_in_time_is_not_told_as_one_that_does_not_settle() {
    let mut bench = Bench::new();
    bench.sight(1, Found::Event).after(600_000);
    assert_eq!(bench.stuck(), Stuck::default());
    bench.look(&Outcome::Writing);
    assert_eq!(bench.stuck().named.len(), 1);
}

/// It has settled: that there is no room is told elsewhere.
#[test]
fn a_file_that_the_journal_has_no_room_for_is_not_told_as_one_that_does_not_settle() {
    let mut bench = Bench::new();
    bench.sight(1, Found::Event).after(2000);
    for _ in 0..9 {
        let Step::Settled(settled, _) = bench.look(&looked(1)) else { panic!("not settled") };
        bench.tracker.again(settled, Duration::from_secs(30), bench.now);
        assert!(matches!(bench.after(30_000).look(&looked(1)), Step::Waits));
        assert_eq!(bench.stuck(), Stuck::default());
        assert_eq!(bench.tracker.waiting().no_room, 1, "nothing has happened to it");
        bench.after(2000);
    }
    let lives: [fn(&mut Bench); 3] = [
        |bench| {
            bench.sight(2, Found::Event);
        },
        |bench| assert!(matches!(bench.look(&looked(2)), Step::Waits)),
        |bench| assert!(matches!(bench.look(&Outcome::Writing), Step::HeldByWriter { .. })),
    ];
    for lives in lives {
        let mut bench = Bench::new();
        bench.sight(1, Found::Event).after(2000);
        let Step::Settled(settled, _) = bench.look(&looked(1)) else { panic!("not settled") };
        bench.tracker.again(settled, QUIET, bench.now);
        bench.after(2000).look(&looked(1));
        lives(bench.after(2000));
        bench.after(1000).sight(3, Found::Event);
        assert_eq!(bench.after(999).stuck(), Stuck::default());
        let Stuck { named, .. } = bench.after(1).stuck();
        assert_eq!(named, [(path("f"), QUIET)], "since something happened to it");
    }
}

#[test]
fn whether_writers_were_ruled_out_depends_on_where_the_file_lies() {
    let table = [
        (EXT4, true, Writers::RuledOut),
        (EXT4, false, Writers::NoOpinion),
        (VFAT, false, Writers::Unseen),
    ];
    for (magic, asked, expected) in table {
        let mut bench = Bench::new();
        bench.sight(1, Found::Event).after(4000);
        let looked = Outcome::Looked { sample: sample(1), policy: Policy::of(magic), asked };
        let step = bench.look(&looked);
        assert!(matches!(step, Step::Settled(_, writers) if writers == expected), "{step:?}");
    }
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
    fn a_file_settles_exactly_when_it_was_left_alone_for_the_quiet_period_of_its_file_system(
        happenings in happenings(), magic in prop::sample::select(vec![EXT4, VFAT, FUSE]),
    ) {
        let mut bench = Bench::new();
        let policy = Policy::of(magic);
        let quiet = policy.quiet(QUIET, POLL);
        bench.tracker.adopt(Policy::of(EXT4));
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
                        let looked = Outcome::Looked { sample: sample(content), policy, asked: false };
                        let step = bench.tracker.looked(&path, &looked, now);
                        let quiet_for = now - last_sign.expect("due without a sign of life");
                        prop_assert_eq!(matches!(step, Step::Settled(..)), quiet_for >= quiet);
                        last_sign = last_sign.filter(|_| quiet_for < quiet);
                    }
                    let overdue = last_sign.is_some_and(|sign| now - sign >= quiet);
                    prop_assert!(!overdue, "left alone long enough, and not settled");
                }
            }
            prop_assert_eq!(bench.tracker.len(), usize::from(last_sign.is_some()));
            prop_assert_eq!(bench.tracker.deadlines.len(), bench.tracker.waiting.len());
            prop_assert_eq!(bench.tracker.path_bytes, bench.tracker.waiting.len());
        }
    }
}
