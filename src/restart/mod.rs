//! When the daemon ends by itself to be started again: because it is old, or because its program was
//! replaced; and when a start was a good one. `age`, `binary` and `spell` decide, `look` acts.

pub mod age;
pub mod binary;
pub mod look;
pub mod spell;
