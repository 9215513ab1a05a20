//! What goes into a lane's decision, and what comes out of it. Pure.

use std::time::Duration;

use crate::{
    arrival::{Conclusion, Due, Refusal},
    deliver::verdict::Class,
};

/// How an attempt ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What it means.
    pub class: Class,
    /// What the receiver asked for.
    pub retry_after: Option<Duration>,
    /// For the journal and the log, unless it was delivered.
    pub refusal: Refusal,
}

/// What became of an event.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The event, as it was before the attempt.
    pub due: Due,
    /// What to store; `None` when the lane keeps it and nothing was charged.
    pub conclusion: Option<Conclusion>,
    /// What changed for the whole lane.
    pub change: Option<Change>,
    /// Nothing starts for so long.
    pub paused: Option<Duration>,
}

/// A change of the whole lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The endpoint counts as down.
    Opened,
    /// It is back after so long: everything that waits for it becomes due.
    Closed(Duration),
    /// The receiver wants nothing more.
    Parked,
}
