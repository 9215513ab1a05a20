use std::{path::Path, time::Duration};

use super::*;
use crate::{
    arrival::{Name, RelPath},
    clock,
    vitals::{LaneState, Pause, WaitingList},
};

const STARTED: WallMs = WallMs(1_772_366_400_000);

fn later(board: &Board, seconds: u64) -> Moment {
    let passed = Duration::from_secs(seconds);
    Moment { mono: board.started().0 + passed, wall: board.started().1.after(passed) }
}

fn waiting(path: &str, since: Instant, why: vitals::Why) -> vitals::Waiting {
    vitals::Waiting { path: RelPath::from_bytes(path.as_bytes()), size: Some(7), since, why }
}

#[test]
fn the_document_can_be_read_back_and_says_what_is_waited_for_and_why() {
    let start = clock::mono();
    let board = Board::new(start, STARTED);
    let watch = board.add_watch(&Name::parse("scans").unwrap(), Path::new("/in"));
    watch.set_waiting(WaitingList {
        changed: 60,
        open: 1,
        oldest: vec![
            waiting("a\n<b>", start, vitals::Why::OpenForWriting { since: start }),
            waiting("b", start, vitals::Why::Changed { at: start }),
            waiting("c", start, vitals::Why::Changed { at: start }),
        ],
        aside: vec![(waiting("c", start, vitals::Why::NoMarker), 0)],
        ..WaitingList::default()
    });
    let lane = board.add_lane(&Name::parse("crm").unwrap());
    lane.set_state(LaneState::Paused);
    let until = Some(start + Duration::from_secs(100));
    lane.set_pause(Some(Pause { until, reason: "busy".to_owned() }));
    let text = serde_json::to_string(&Status::of(&board, later(&board, 14))).unwrap();
    let status: Status = serde_json::from_str(&text).unwrap();
    assert_eq!(status.started, "2026-03-01T12:00:00.000Z");
    assert_eq!((status.at.as_str(), status.uptime_s), ("2026-03-01T12:00:14.000Z", 14));
    let waits = &status.watches[0].waiting;
    let files: Vec<_> = waits.files.iter().map(|f| (f.path.as_str(), f.why, f.why_s)).collect();
    let open = ("a\\n<b>", Why::OpenForWriting, Some(14));
    assert_eq!(files, [open, ("b", Why::Changed, Some(14)), ("c", Why::NoMarker, None)]);
    assert_eq!((waits.changed, waits.open_for_writing, waits.more), (59, 1, 58));
    let crm = &status.endpoints[0];
    assert_eq!(
        (crm.state.as_str(), crm.reason.as_deref(), crm.in_s),
        ("paused", Some("busy"), Some(86))
    );
}

#[test]
fn what_later_scans_did_not_meet_is_not_waited_for() {
    let start = clock::mono();
    let board = Board::new(start, STARTED);
    let watch = board.add_watch(&Name::parse("scans").unwrap(), Path::new("/in"));
    let aside = vec![(waiting("a", start, vitals::Why::NoMarker), 0)];
    watch.set_waiting(WaitingList { aside, ..WaitingList::default() });
    for (scans, named) in [(0, 1), (1, 1), (2, 1), (3, 0)] {
        let status = Status::of(&board, later(&board, 1));
        assert_eq!(status.watches[0].waiting.files.len(), named, "after {scans} scans");
        watch.scanned(vitals::LastScan { ended: start, took: Duration::ZERO, other_size: 0 });
    }
}
