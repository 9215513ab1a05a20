mod model;

use super::*;

const POLL: Duration = Duration::from_secs(10);
const RESCAN: Duration = Duration::from_mins(10);
const TICK: Duration = Duration::from_millis(1);

fn path(text: &str) -> RelPath {
    RelPath::from_bytes(text.as_bytes())
}

/// A root whose first scan has taken so long, and ends now.
fn scanned(took: Duration) -> (Schedule, Instant) {
    let now = crate::clock::mono();
    let mut schedule = Schedule::new(POLL, RESCAN, now);
    assert_eq!(schedule.next_turn(false, Polled::Nothing, now), now, "the whole is due at once");
    assert_eq!(schedule.take().unwrap(), BTreeSet::from([RelPath::root()]));
    schedule.ended(true, took, now);
    (schedule, now)
}

#[test]
fn scans_take_a_bounded_share_of_the_time() {
    let table = [
        (Polled::Nothing, Duration::from_secs(1), RESCAN),
        (Polled::Nothing, Duration::from_mins(1), Duration::from_mins(100)),
        (Polled::Everything, Duration::from_secs(1), POLL),
        (Polled::Everything, Duration::from_mins(1), Duration::from_mins(4)),
        (Polled::Some, Duration::from_secs(1), POLL),
    ];
    for (polled, took, wait) in table {
        let (mut schedule, now) = scanned(took);
        assert_eq!(schedule.next_turn(false, polled, now), now + wait, "{polled:?} {took:?}");
        let early = schedule.expire(polled, now + wait.saturating_sub(TICK));
        assert!(!early && schedule.take().is_none(), "{polled:?}: not yet");
        let some = schedule.expire(polled, now + wait);
        assert_eq!(some, polled == Polled::Some, "{polled:?}");
        assert_eq!(schedule.take().is_some(), !some, "{polled:?}: the whole root, or these");
    }
}

#[test]
fn a_scan_of_a_part_does_not_put_off_the_next_of_the_whole() {
    let (mut schedule, now) = scanned(TICK);
    schedule.ended(false, TICK, now + RESCAN / 2);
    assert_eq!(schedule.next_turn(false, Polled::Nothing, now), now + RESCAN);
}

#[test]
fn what_is_dirty_waits_for_nothing_but_the_journal() {
    let (mut schedule, now) = scanned(TICK);
    schedule.mark(path("d"));
    assert_eq!(schedule.next_turn(false, Polled::Nothing, now), now);
    schedule.hold(now);
    assert!(schedule.is_held(now) && !schedule.is_held(now + JOURNAL_PATIENCE));
    let wake = schedule.next_turn(false, Polled::Nothing, now);
    assert_eq!(wake, now + JOURNAL_PATIENCE);
    assert!(schedule.next_turn(true, Polled::Nothing, wake + TICK) >= wake + TICK);
}

#[test]
fn a_hastened_scan_comes_as_soon_as_scans_may_and_once() {
    for (took, wait) in [(TICK, HASTENED_GAP), (TICK * 1000, TICK * 100_000)] {
        let (mut schedule, now) = scanned(took);
        schedule.hasten();
        schedule.ended(false, took, now);
        assert_eq!(schedule.next_turn(false, Polled::Nothing, now), now + wait);
        assert!(!schedule.expire(Polled::Nothing, now + wait));
        assert_eq!(schedule.take().unwrap(), BTreeSet::from([RelPath::root()]));
        // What is hastened while that one is under way wants another.
        schedule.hasten();
        schedule.ended(true, took, now + wait);
        assert_eq!(schedule.next_turn(false, Polled::Nothing, now), now + wait * 2);
        schedule.expire(Polled::Nothing, now + wait * 2);
        schedule.take().unwrap();
        schedule.ended(true, took, now + wait * 2);
        let next = schedule.next_turn(false, Polled::Nothing, now);
        assert_eq!(next, now + wait * 2 + RESCAN, "not hastened any more");
    }
    let (mut schedule, now) = scanned(Duration::from_mins(1));
    schedule.hasten();
    let wake = schedule.next_turn(false, Polled::Nothing, now);
    assert_eq!(wake, now + Duration::from_mins(100), "a long scan is not repeated earlier");
}

#[test]
fn too_many_dirty_places_are_the_whole_root() {
    let (mut schedule, _) = scanned(TICK);
    for n in 0..DIRTY_MAX {
        schedule.mark(path(&n.to_string()));
    }
    schedule.mark(path("one more"));
    assert_eq!(schedule.take().unwrap(), BTreeSet::from([RelPath::root()]));
}
