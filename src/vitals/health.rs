//! Whether the daemon is alive, and whether it can do its work. Pure: `now` comes in.
//!
//! *Healthy* means that every loop turns over; a failed attempt is a turn. Whoever finds it unhealthy starts
//! the daemon anew. *Ready* means that files get through; a restart would not help where they do not.

use std::{fmt, time::Instant};

use super::{Beat, Board, LaneState, Lateness, Phase, Sight};
use crate::arrival::Name;

/// A part of the daemon that can be stuck.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The loop that starts and stops everything.
    Daemon,
    /// The journal's thread.
    Journal,
    /// The watching thread of a watch.
    Watch(Name),
    /// The settling thread of a watch.
    Settle(Name),
    /// The lane of an endpoint.
    Lane(Name),
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Daemon => f.write_str("daemon"),
            Self::Journal => f.write_str("journal"),
            Self::Watch(name) => write!(f, "watch {name}"),
            Self::Settle(name) => write!(f, "settle {name}"),
            Self::Lane(name) => write!(f, "lane {name}"),
        }
    }
}

/// One stage that makes no progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// Which.
    pub stage: Stage,
    /// In what way, and since when.
    pub lateness: Lateness,
}

/// The judgement over all stages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Stages that do not turn over.
    pub stuck: Vec<Stuck>,
    /// Stages whose file system does not answer: shown, and no reason to start anew, for the next process
    /// would hang there as well.
    pub hanging: Vec<Stuck>,
}

impl Health {
    /// Whether every loop turns over.
    pub fn is_good(&self) -> bool {
        self.stuck.is_empty()
    }

    fn hanging_into(&self, reasons: &mut Reasons) {
        for Stuck { stage, .. } in &self.hanging {
            reasons.add(stage, "its file system does not answer");
        }
    }

    fn judge(&mut self, stage: Stage, beat: &Beat, now: Instant) {
        match beat.lateness(now) {
            Some(lateness @ Lateness::Hangs(_)) => self.hanging.push(Stuck { stage, lateness }),
            Some(lateness) => self.stuck.push(Stuck { stage, lateness }),
            None => {}
        }
    }
}

/// One reason why files do not get through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotReady {
    /// What it is about: `daemon`, `journal`, `watch NAME`, `endpoint NAME`, `reload`, `http`, `control`.
    pub what: String,
    /// In one line, without secrets.
    pub reason: String,
}

impl Board {
    /// Which stages turn over.
    pub fn health(&self, now: Instant) -> Health {
        let mut health = Health::default();
        health.judge(Stage::Daemon, &self.daemon, now);
        health.judge(Stage::Journal, &self.journal.beat, now);
        for (name, watch) in self.watches() {
            health.judge(Stage::Watch(name.clone()), &watch.looks, now);
            health.judge(Stage::Settle(name), &watch.settles, now);
        }
        for (name, lane) in self.lanes() {
            health.judge(Stage::Lane(name), &lane.beat, now);
        }
        health
    }

    /// Why files do not get through; empty when they do.
    pub fn not_ready(&self, now: Instant) -> Vec<NotReady> {
        let mut reasons = Reasons(Vec::new());
        match self.phase() {
            Phase::Starting => reasons.add("daemon", "it is starting"),
            Phase::Draining => reasons.add("daemon", "it is stopping"),
            Phase::Running => {}
        }
        self.not_moving_into(&mut reasons);
        if let Some(reload) = self.reload().filter(|reload| !reload.ok) {
            reasons.add("reload", reload.message);
        }
        for (part, reason) in self.troubles() {
            reasons.add(part, reason);
        }
        let health = self.health(now);
        for Stuck { stage, .. } in &health.stuck {
            reasons.add(stage, "it makes no progress");
        }
        health.hanging_into(&mut reasons);
        reasons.0
    }

    /// Where files do not get on although every loop turns over: a part of [`Board::not_ready`].
    pub fn not_moving(&self, now: Instant) -> Vec<NotReady> {
        let mut reasons = Reasons(Vec::new());
        self.not_moving_into(&mut reasons);
        self.health(now).hanging_into(&mut reasons);
        reasons.0
    }

    fn not_moving_into(&self, reasons: &mut Reasons) {
        self.journal_not_ready(reasons);
        self.watches_not_ready(reasons);
        self.lanes_not_ready(reasons);
    }

    fn journal_not_ready(&self, reasons: &mut Reasons) {
        let ledger = self.journal.ledger();
        match ledger.degraded {
            Some((_, reason)) => reasons.add("journal", reason),
            None if !ledger.open => reasons.add("journal", "it is being opened"),
            None => {}
        }
    }

    fn watches_not_ready(&self, reasons: &mut Reasons) {
        for (name, watch) in self.watches() {
            match watch.state().sight {
                Sight::Watching => {}
                Sight::None => reasons.add(format!("watch {name}"), "it was not looked at yet"),
                Sight::Suspended { reason, .. } => {
                    reasons.add(format!("watch {name}"), format!("suspended: {reason}"));
                }
            }
        }
    }

    fn lanes_not_ready(&self, reasons: &mut Reasons) {
        for (name, lane) in self.lanes() {
            let what = format!("endpoint {name}");
            match lane.state() {
                LaneState::Running | LaneState::Paused | LaneState::Draining => {}
                LaneState::Starting => reasons.add(what, "it is starting"),
                state => {
                    let reason = lane.log().pause.map(|pause| pause.reason);
                    let reason = reason.filter(|reason| !reason.is_empty());
                    let name = state.name();
                    reasons.add(what, reason.map_or(name.into(), |why| format!("{name}: {why}")));
                }
            }
        }
    }
}

struct Reasons(Vec<NotReady>);

impl Reasons {
    fn add(&mut self, what: impl fmt::Display, reason: impl Into<String>) {
        self.0.push(NotReady { what: what.to_string(), reason: reason.into() });
    }
}

#[cfg(test)]
mod tests {
    use std::{path::Path, time::Duration};

    use super::*;
    use crate::{
        clock::{self, WallMs},
        vitals::Reload,
    };

    const LONG: Duration = Duration::from_hours(1);

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    fn reload(ok: bool) -> Reload {
        Reload { ok, at: WallMs(0), message: "line 3".to_owned() }
    }

    fn stages(health: &Health) -> Vec<String> {
        health.stuck.iter().map(|stuck| stuck.stage.to_string()).collect()
    }

    #[test]
    fn any_stage_that_is_stuck_is_named_and_one_whose_file_system_hangs_is_no_reason_to_restart() {
        let start = clock::mono();
        let board = Board::new(start, WallMs(0));
        let (watch, lane) =
            (board.add_watch(&name("w"), Path::new("/w")), board.add_lane(&name("l")));
        assert!(board.health(start + LONG).is_good(), "everything waits");
        board.daemon.wait_until(start);
        board.journal.beat.begin(start);
        watch.looks.wait_until(start);
        watch.settles.begin(start);
        lane.beat.begin(start);
        assert!(board.health(start).is_good(), "not yet");
        let all = ["daemon", "journal", "watch w", "settle w", "lane l"];
        assert_eq!(stages(&board.health(start + LONG)), all);
        watch.looks.look(start);
        watch.settles.look(start);
        let health = board.health(start + LONG);
        assert_eq!((stages(&health).len(), health.hanging.len()), (3, 2));
    }

    #[test]
    fn who_leaves_is_judged_no_more_and_whoever_took_the_name_stays() {
        let start = clock::mono();
        let board = Board::new(start, WallMs(0));
        let old = board.add_lane(&name("crm"));
        old.beat.begin(start);
        let new = board.add_lane(&name("crm"));
        assert!(board.health(start + LONG).is_good(), "the old one was replaced");
        board.remove_lane(&name("crm"), &old);
        assert_eq!(board.lanes().len(), 1);
        board.remove_lane(&name("crm"), &new);
        assert!(board.lanes().is_empty());
    }

    #[test]
    fn ready_needs_a_journal_every_root_and_every_endpoint() {
        let start = clock::mono();
        let board = Board::new(start, WallMs(0));
        let (watch, lane) =
            (board.add_watch(&name("w"), Path::new("/w")), board.add_lane(&name("l")));
        let what = || board.not_ready(start).into_iter().map(|n| n.what).collect::<Vec<_>>();
        assert_eq!(what(), ["daemon", "journal", "watch w", "endpoint l"]);
        board.set_phase(Phase::Running);
        board.journal.change(|ledger| ledger.open = true);
        watch.change(|looks| looks.sight = Sight::Watching);
        lane.set_state(LaneState::Running);
        assert!(what().is_empty());
        lane.set_state(LaneState::Paused);
        assert!(what().is_empty(), "a receiver that asks for a pause is well");
        lane.set_state(LaneState::Failing);
        assert_eq!(what(), ["endpoint l"]);
        lane.set_state(LaneState::Running);
        board.reloaded(reload(false));
        assert_eq!(what(), ["reload"]);
        board.reloaded(reload(true));
        board.set_trouble("http", Some("in use".into()));
        assert_eq!(what(), ["http"]);
        board.set_trouble("http", None);
        watch.looks.look(start);
        let reasons = board.not_ready(start + LONG);
        assert_eq!(reasons[0].what, "watch w");
    }
}
