//! The daemon in one line, for `systemctl status`.

use std::time::Instant;

use crate::vitals::{Board, Health, NotReady, Phase, Reload, Sight};

/// What is watched and what waits; then the worst that is wrong, if something is.
pub(super) fn of(board: &Board, now: Instant) -> String {
    let line = format!("{}; {}", watches(board), events(board));
    match trouble(board, now) {
        Some(trouble) => format!("{line}; {trouble}"),
        None => line,
    }
}

/// The same, and first of all that the configuration was refused, if it was.
pub(super) fn after_reload(board: &Board, now: Instant) -> String {
    match board.reload().filter(|reload| !reload.ok) {
        Some(Reload { message, .. }) => format!("{message}; {}", of(board, now)),
        None => of(board, now),
    }
}

fn watches(board: &Board) -> String {
    let watches = board.watches();
    let seen = |sight: &Sight| matches!(sight, Sight::Watching);
    let watching = watches.iter().filter(|(_, watch)| seen(&watch.state().sight)).count();
    format!("watching {watching} of {}", many(watches.len() as u64, "root", "roots"))
}

fn events(board: &Board) -> String {
    let ledger = board.journal.ledger();
    let dead = ledger.backlogs.values().flat_map(|backlog| backlog.dead.values()).sum();
    let waiting = many(ledger.events, "event waits", "events wait");
    format!("{waiting}, {}", many(dead, "dead letter", "dead letters"))
}

fn trouble(board: &Board, now: Instant) -> Option<String> {
    let Health { stuck, .. } = board.health(now);
    if let Some(first) = stuck.first() {
        return Some(format!("STUCK: {}", first.stage));
    }
    if board.phase() != Phase::Running {
        return None;
    }
    let NotReady { what, reason } = board.not_ready(now).into_iter().next()?;
    Some(format!("not ready: {what}: {reason}"))
}

fn many(count: u64, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

#[cfg(test)]
mod tests {
    use std::{path::Path, time::Duration};

    use super::*;
    use crate::{
        arrival::Name,
        clock::{self, WallMs},
        vitals::Backlog,
    };

    #[test]
    fn it_counts_and_names_the_worst() {
        let now = clock::mono();
        let board = Board::new(now, WallMs(0));
        board.set_phase(Phase::Running);
        assert!(
            of(&board, now).starts_with("watching 0 of 0 roots; 0 events wait, 0 dead letters")
        );
        let (a, b) = (Name::parse("a").unwrap(), Name::parse("b").unwrap());
        let watch = board.add_watch(&a, Path::new("/a"));
        watch.change(|looks| looks.sight = Sight::Watching);
        board.add_watch(&b, Path::new("/b")).change(|looks| looks.sight = Sight::Watching);
        board.journal.change(|ledger| {
            let dead = [("http_5xx".to_owned(), 1)].into();
            ledger.open = true;
            ledger.events = 1;
            ledger.backlogs.insert(a.clone(), Backlog { dead, ..Backlog::default() });
        });
        assert_eq!(of(&board, now), "watching 2 of 2 roots; 1 event waits, 1 dead letter");
        let reason = "it is gone".to_owned();
        watch.change(|looks| looks.sight = Sight::Suspended { since: now, reason });
        let line = of(&board, now);
        assert!(line.starts_with("watching 1 of 2 roots;"), "{line}");
        assert!(line.ends_with("not ready: watch a: suspended: it is gone"), "{line}");
        board.journal.beat.begin(now);
        assert!(of(&board, now + Duration::from_hours(1)).ends_with("STUCK: journal"));
    }
}
