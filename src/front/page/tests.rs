use std::path::Path;

use super::*;
use crate::{
    arrival::{EventId, Name, RelPath},
    clock::{self, WallMs},
    status::Moment,
    vitals::{Board, Delivery, LaneState, Pause, Sight, Waiting, WaitingList, Why},
};

const EVIL: &str = "<script>alert(1)</script>\"'&";

/// Everything that comes from outside is hostile.
fn hostile() -> Status {
    let now = Moment { mono: clock::mono(), wall: WallMs(0) };
    let board = Board::new(now.mono, now.wall);
    let watch = board.add_watch(&Name::parse("w").unwrap(), Path::new(EVIL));
    let sight = Sight::Suspended { since: now.mono, reason: EVIL.to_owned() };
    watch.change(|looks| looks.sight = sight);
    let path = RelPath::from_bytes(format!("{EVIL}\u{ff}").as_bytes());
    let (size, since) = (Some(1), now.mono);
    let why = Why::Unclear { error: EVIL.to_owned() };
    let file = Waiting { path: path.clone(), size, since, why };
    watch.set_waiting(WaitingList { aside: vec![(file, 0)], ..WaitingList::default() });
    let lane = board.add_lane(&Name::parse("l").unwrap());
    lane.set_state(LaneState::Failing);
    lane.set_pause(Some(Pause { until: None, reason: EVIL.to_owned() }));
    lane.accepted(Delivery {
        event: EventId([0; 16]),
        watch: Name::parse("w").unwrap(),
        path,
        attempt: 2,
        status: Some(200),
        took: std::time::Duration::ZERO,
        at: now.wall,
    });
    board.set_trouble("http", Some(EVIL.to_owned()));
    Status::of(&board, now)
}

#[test]
fn whatever_comes_from_outside_is_text() {
    let page = page(&hostile());
    assert!(!page.contains("<script"), "{page}");
    assert!(page.matches("&lt;script&gt;alert(1)&lt;/script&gt;&quot;").count() >= 7, "{page}");
}

#[test]
fn the_page_needs_nothing_from_elsewhere_and_its_policy_names_its_style() {
    let page = page(&hostile());
    let style = page.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    assert!(!style.contains('<') && !style.contains('&'), "a style sheet is not escaped");
    let hash = STANDARD.encode(Sha256::digest(style));
    assert!(security_policy().contains(&hash));
    for word in ["http://", "https://", "src=", "@import", "url("] {
        assert!(!page.contains(word), "{word}");
    }
}
