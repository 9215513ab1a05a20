//! The body, without the database.

#[path = "../../../../src/journal/entry/mod.rs"]
pub(crate) mod entry;
