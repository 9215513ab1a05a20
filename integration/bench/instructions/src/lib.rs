//! The product's sources that decide, compiled a second time with nothing around them, and the pieces of work whose
//! instructions are counted.

#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    unfulfilled_lint_expectations,
    private_interfaces,
    clippy::disallowed_methods,
    clippy::wrong_self_convention,
    reason = "the product's sources hold more than is used here, and are linted where they belong"
)]

#[path = "../../../../src/arrival/mod.rs"]
mod arrival;
#[path = "../../../../src/clock.rs"]
mod clock;
mod config;
mod deliver;
#[path = "../../../../src/filesystem.rs"]
mod filesystem;
#[path = "../../../../src/globs/mod.rs"]
mod globs;
mod http;
mod journal;
#[path = "../../../../src/notice/mod.rs"]
mod notice;
#[path = "../../../../src/secret.rs"]
mod secret;
mod settle;
#[path = "../../../../src/vitals/mod.rs"]
mod vitals;
mod watch;

pub mod work;
