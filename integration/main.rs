//! The promises of the README, each kept by the real binary.
#![expect(clippy::unwrap_used, reason = "a proof fails by panicking")]

mod promises;
