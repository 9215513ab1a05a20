//! What each stage reports about itself: one source for health, status, metrics and the watchdog, so that
//! they cannot disagree.
//!
//! Stages write here and never wait; whoever looks takes a copy. Nothing ticks: a [`Beat`] says what its
//! thread does and until when, and whoever asks later sees whether that came true.

mod beat;
mod board;
mod health;
mod journal;
mod lane;
mod watch;

pub use self::{
    beat::{Beat, Doing, Lateness},
    board::{Board, Lane, Phase, Reload, Watch},
    health::{Health, NotReady, Stage, Stuck},
    journal::{Backlog, JournalVitals, Ledger, Run},
    lane::{
        ATTEMPT_SECONDS, Attempt, Delivery, Failure, LaneLog, LaneState, LaneVitals, Pause,
        RECENT_MAX,
    },
    watch::{LastScan, Looks, SHOWN_MAX, Sight, Waiting, WaitingList, WatchVitals, Why},
};
