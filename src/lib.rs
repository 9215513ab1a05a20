//! watchd tells the rest of the world that a file has landed: none is forgotten, none is announced before
//! it is whole.
//!
//! The map, in the order that data flows; ARCHITECTURE.md has the rules that keep it this way.
//!
//! | module | takes | gives |
//! |---|---|---|
//! | [`watch`] | kernel events and scans | [`arrival::Sighting`] |
//! | [`settle`] | sightings and time | [`arrival::Settled`] |
//! | [`journal`] | settled files | durable events, the only truth |
//! | [`deliver`] | due events | webhooks, and how each attempt ended |
//!
//! Beside the pipeline: [`config`], [`cli`], [`logging`], [`vitals`]; [`daemon`] is the only file that
//! knows every stage.

pub mod arrival;
pub(crate) mod chance;
pub mod check;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod daemon;
pub mod deliver;
pub mod demo;
pub(crate) mod directory;
pub mod ending;
pub mod events;
pub mod filesystem;
pub mod front;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
pub mod globs;
pub mod heartbeat;
pub mod http;
pub mod journal;
pub(crate) mod kernel;
pub(crate) mod lease;
pub mod logging;
pub mod metrics;
pub(crate) mod mounts;
pub mod notice;
pub mod operator;
pub mod restart;
pub mod secret;
pub mod self_check;
pub mod settle;
pub(crate) mod stall;
pub mod stat;
pub mod status;
pub mod stop;
pub mod systemd;
pub(crate) mod terminal;
pub mod vitals;
pub mod watch;
