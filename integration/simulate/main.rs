//! The whole daemon in a simulated world: clock, file systems, kernel events, disk and receivers are
//! simulated, everything between them is the product's own source, compiled a second time with other
//! doors. A run follows from its seed.
//!
//!     cargo run --release --example simulate -- --seeds 10000
//!     cargo run --release --example simulate -- --seed 17        that one, with its history

#![allow(unfulfilled_lint_expectations, reason = "what a library has to expect a program need not")]
#![expect(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "the product's sources hold more than is used here"
)]
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a simulation that is wrong should stop"
)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is how it answers")]
#![expect(clippy::disallowed_methods, reason = "tokio's clock is the simulated one")]
#![expect(
    clippy::unnecessary_wraps,
    clippy::wrong_self_convention,
    reason = "doors have the shape of the product's; what is public there is private here"
)]

#[path = "../../src/arrival/mod.rs"]
mod arrival;
#[path = "doors/chance.rs"]
mod chance;
#[path = "doors/clock.rs"]
mod clock;
#[path = "../../src/config/mod.rs"]
mod config;
#[path = "../../src/deliver/mod.rs"]
mod deliver;
#[path = "doors/directory.rs"]
mod directory;
#[path = "../../src/filesystem.rs"]
mod filesystem;
#[path = "../../src/globs/mod.rs"]
mod globs;
#[path = "../../src/http/mod.rs"]
mod http;
#[path = "../../src/journal/mod.rs"]
mod journal;
#[path = "doors/kernel.rs"]
mod kernel;
#[path = "doors/lease.rs"]
mod lease;
#[path = "doors/mounts.rs"]
mod mounts;
#[path = "../../src/notice/mod.rs"]
mod notice;
#[path = "../../src/daemon/plan.rs"]
mod plan;
#[path = "../../src/secret.rs"]
mod secret;
#[path = "../../src/settle/mod.rs"]
mod settle;
#[path = "../../src/stall.rs"]
mod stall;
#[path = "doors/stat.rs"]
mod stat;
#[path = "../../src/stop.rs"]
mod stop;
#[path = "../../src/vitals/mod.rs"]
mod vitals;
#[path = "../../src/watch/mod.rs"]
mod watch;

mod additions;
mod cases;
mod command;
mod daemon;
mod disk;
mod epochs;
mod held;
mod idle;
mod inotify;
mod ledger;
mod line;
mod parts;
mod receiver;
mod run;
mod script;
mod seeded;
mod settings;
mod world;

fn main() -> std::process::ExitCode {
    command::main()
}
