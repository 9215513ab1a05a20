//! When a file is whole, without looking at one.

#[path = "../../../../src/settle/tracker/mod.rs"]
pub(crate) mod tracker;
