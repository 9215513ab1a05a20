//! Watches, journal and endpoints.

use std::sync::atomic::Ordering::Relaxed;

use super::exposition::{Kind, Page};
use crate::{
    arrival::Name,
    status::Moment,
    vitals::{
        ATTEMPT_SECONDS, Backlog, Board, Lane, LaneState, Looks, Sight, WaitingList, Watch,
        WatchVitals,
    },
};

const WATCH_STATES: &[&str] = &["starting", "watching", "suspended"];

pub(super) fn watches(page: &mut Page, board: &Board, now: Moment) {
    let watches = board.watches();
    files(page, &watches);
    waiting(page, &watches, now);
    let states: Vec<_> = watches.iter().map(|(name, watch)| (name, watch.state())).collect();
    let mut family =
        page.family(Kind::StateSet, "watchd_watch_state", "Whether a root can be watched.");
    for (name, looks) in &states {
        family.put_state(("watch", name.as_str()), WATCH_STATES, sight(looks));
    }
    let mut family = page.family(
        Kind::Gauge,
        "watchd_watch_directories",
        "Directories, by how they are looked at.",
    );
    for (name, looks) in &states {
        let counts =
            [("events", looks.armed), ("poll", looks.polled), ("unreadable", looks.unreadable)];
        for (how, count) in counts {
            family.put(&[("watch", name.as_str()), ("how", how)], count);
        }
    }
    scans(page, &watches, &states, now);
}

fn files(page: &mut Page, watches: &[Watch]) {
    let help = "Files that settled, by what became of them.";
    let mut family = page.family(Kind::Counter, "watchd_watch_files", help);
    for (name, watch) in watches {
        let results =
            [("recorded", &watch.recorded), ("known", &watch.known), ("ignored", &watch.ignored)];
        for (result, count) in results {
            family.put(&[("watch", name.as_str()), ("result", result)], count.load(Relaxed));
        }
    }
    let help = "Files that settled and could not be asked for their writers, where others can.";
    let mut family = page.family(Kind::Counter, "watchd_watch_unasked_files", help);
    each(watches, |name, watch| {
        family.put(&[("watch", name)], watch.unasked.load(Relaxed));
    });
    let mut family =
        page.family(Kind::Counter, "watchd_watch_overflows", "Times that the kernel lost events.");
    each(watches, |name, watch| {
        family.put(&[("watch", name)], watch.overflows.load(Relaxed));
    });
}

fn waiting(page: &mut Page, watches: &[Watch], now: Moment) {
    let lists: Vec<_> = watches.iter().map(|(name, watch)| (name, watch.waiting())).collect();
    let help = "Files that are not announced yet, by the reason.";
    let mut family = page.family(Kind::Gauge, "watchd_watch_waiting_files", help);
    for (name, list) in &lists {
        let WaitingList { changed, open, no_room, .. } = **list;
        for (why, count) in [("changed", changed), ("open_for_writing", open), ("no_room", no_room)]
        {
            family.put(&[("watch", name.as_str()), ("why", why)], count);
        }
    }
    let help = "For how long a file has been waiting to settle.";
    let mut family = page.family(Kind::Gauge, "watchd_watch_oldest_waiting_seconds", help);
    for (name, list) in &lists {
        let age = list.oldest.first().map_or(0, |file| now.since(file.since));
        family.put(&[("watch", name.as_str())], age);
    }
}

fn sight(looks: &Looks) -> &'static str {
    match looks.sight {
        Sight::None => "starting",
        Sight::Watching => "watching",
        Sight::Suspended { .. } => "suspended",
    }
}

fn scans(page: &mut Page, watches: &[Watch], states: &[(&Name, Looks)], now: Moment) {
    let mut family =
        page.family(Kind::Counter, "watchd_watch_scans", "Scans of a whole root that ended.");
    each(watches, |name, watch| {
        family.put(&[("watch", name)], watch.scans());
    });
    let scans: Vec<_> =
        states.iter().filter_map(|(name, looks)| Some((name, looks.last_scan?))).collect();
    let help = "How long the last scan of the whole root took.";
    let mut family = page.family(Kind::Gauge, "watchd_watch_scan_seconds", help);
    for (name, scan) in &scans {
        family.put(&[("watch", name.as_str())], scan.took.as_secs_f64());
    }
    let help = "Since the last scan of the whole root ended.";
    let mut family = page.family(Kind::Gauge, "watchd_watch_since_scan_seconds", help);
    for (name, scan) in &scans {
        family.put(&[("watch", name.as_str())], now.since(scan.ended));
    }
}

pub(super) fn journal(page: &mut Page, board: &Board, now: Moment) {
    let ledger = board.journal.ledger();
    let is_usable = ledger.open && ledger.degraded.is_none();
    page.family(Kind::Gauge, "watchd_journal_usable", "Whether events can be stored.")
        .put(&[], u8::from(is_usable));
    page.family(Kind::Counter, "watchd_journal_commits", "Transactions that were stored.")
        .put(&[], board.journal.commits.load(Relaxed));
    if let Some(run) = ledger.run {
        page.family(Kind::Counter, "watchd_starts", "Starts on this journal.").put(&[], run.starts);
        page.family(
            Kind::Counter,
            "watchd_unclean_stops",
            "Starts after a run that did not end cleanly.",
        )
        .put(&[], run.unclean);
    }
    outbox(page, &ledger.backlogs.iter().collect::<Vec<_>>(), now);
}

fn outbox(page: &mut Page, backlogs: &[(&Name, &Backlog)], now: Moment) {
    let help =
        "Events that are not delivered; parked ones belong to endpoints that are not configured.";
    let mut family = page.family(Kind::Gauge, "watchd_outbox_events", help);
    for (name, backlog) in backlogs {
        for (state, count) in [("waiting", backlog.waiting), ("parked", backlog.parked)] {
            family.put(&[("endpoint", name.as_str()), ("state", state)], count);
        }
    }
    let mut family = page.family(Kind::Gauge, "watchd_outbox_bytes", "Bodies of events that wait.");
    for (name, backlog) in backlogs {
        family.put(&[("endpoint", name.as_str())], backlog.bytes);
    }
    let mut family = page.family(
        Kind::Gauge,
        "watchd_outbox_oldest_seconds",
        "Age of the event that waits for longest.",
    );
    for (name, backlog) in backlogs {
        let age = backlog.oldest.map_or(0, |oldest| now.wall.until(oldest).as_secs());
        family.put(&[("endpoint", name.as_str())], age);
    }
    let help = "Events that were given up, by the class of the last failure.";
    let mut family = page.family(Kind::Gauge, "watchd_dead_letters", help);
    for (name, backlog) in backlogs {
        for (class, count) in &backlog.dead {
            family.put(&[("endpoint", name.as_str()), ("class", class)], count);
        }
    }
}

pub(super) fn endpoints(page: &mut Page, board: &Board) {
    let lanes = board.lanes();
    let states = LaneState::ALL.map(LaneState::name);
    let mut family =
        page.family(Kind::StateSet, "watchd_endpoint_state", "What an endpoint's lane does.");
    for (name, lane) in &lanes {
        family.put_state(("endpoint", name.as_str()), &states, lane.state().name());
    }
    attempts(page, &lanes);
    let mut family =
        page.family(Kind::Counter, "watchd_webhook_deliveries", "Events, by how they ended.");
    for (name, lane) in &lanes {
        for (result, count) in [("delivered", &lane.delivered), ("dead", &lane.dead)] {
            family.put(&[("endpoint", name.as_str()), ("result", result)], count.load(Relaxed));
        }
    }
    let mut family = page.family(Kind::Gauge, "watchd_webhook_in_flight", "Requests under way.");
    for (name, lane) in &lanes {
        family.put(&[("endpoint", name.as_str())], lane.in_flight.load(Relaxed));
    }
    let help = "The receiver's clock minus ours, by its last answer that had one.";
    let mut family = page.family(Kind::Gauge, "watchd_clock_offset_seconds", help);
    for (name, lane) in &lanes {
        family.put(&[("endpoint", name.as_str())], lane.clock_offset_s.load(Relaxed));
    }
}

fn attempts(page: &mut Page, lanes: &[Lane]) {
    let logs: Vec<_> = lanes.iter().map(|(name, lane)| (name, lane.log())).collect();
    let help = "Requests, by outcome class and status; the code is empty when there was no answer.";
    let mut family = page.family(Kind::Counter, "watchd_webhook_attempts", help);
    for (name, log) in &logs {
        for ((class, status), count) in &log.attempts {
            let code = status.map(|status| status.to_string()).unwrap_or_default();
            let labels = [("endpoint", name.as_str()), ("class", class), ("code", &code)];
            family.put(&labels, count);
        }
    }
    let help = "How long requests took.";
    let mut family = page.family(Kind::Histogram, "watchd_webhook_attempt_seconds", help);
    for (name, log) in &logs {
        let sum = log.took_sum.as_secs_f64();
        family.put_counts(("endpoint", name.as_str()), &ATTEMPT_SECONDS, &log.took, sum);
    }
}

fn each(watches: &[Watch], mut put: impl FnMut(&str, &WatchVitals)) {
    for (name, watch) in watches {
        put(name.as_str(), watch);
    }
}
