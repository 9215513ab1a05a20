//! What is configured, without reading it.

#[path = "../../../../src/config/checked/mod.rs"]
pub mod checked;
#[path = "../../../../src/config/units.rs"]
pub mod units;
