//! The proof: the real binary against real files, sockets and signals. README.md says how to run it.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a proof fails by panicking, and its helpers are outside of the test functions"
)]

mod faults;
mod harness;
mod nixos;
mod promises;
mod tidy;
