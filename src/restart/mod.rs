//! When the daemon ends by itself to be started again: because it is old, or because its program was
//! replaced. `age` and `binary` decide, `look` acts.

pub mod age;
pub mod binary;
pub mod look;
