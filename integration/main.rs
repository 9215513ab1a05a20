//! The promises of the README, each kept by the real binary.

mod promises;
