//! Which names count, without watching any.

#[path = "../../../../src/watch/rules.rs"]
pub(crate) mod rules;
