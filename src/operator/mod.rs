//! The commands of an operator that are not about events: status, endpoints; and where the daemon is that
//! they ask.

pub mod endpoint;
pub mod place;
pub mod status;
pub mod trial;
