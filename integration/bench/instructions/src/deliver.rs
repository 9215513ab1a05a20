//! How a request is made, without sending it.

#[path = "../../../../src/deliver/cloud_events.rs"]
pub mod cloud_events;
#[path = "../../../../src/deliver/request.rs"]
pub mod request;
#[path = "../../../../src/deliver/signature.rs"]
pub mod signature;
#[path = "../../../../src/deliver/trace.rs"]
pub mod trace;
