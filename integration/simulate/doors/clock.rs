//! The clock of the simulation: tokio's paused clock, and a wall clock that can be stepped.

use std::time::Instant;

#[path = "../../../src/clock.rs"]
mod real;

pub(crate) use real::{StepWatch, WallMs};

use crate::world;

pub(crate) fn mono() -> Instant {
    real::mono()
}

pub(crate) fn wall() -> WallMs {
    WallMs(world::with(|w| w.wall_micros()) / 1000)
}

pub(crate) fn wall_micros() -> i64 {
    world::with(|w| w.wall_micros())
}
