//! Stage 4: due events become webhooks.
pub mod breaker;
pub mod excerpt;
pub mod lane;
pub mod pace;
pub mod request;
pub mod retry_after;
pub mod schedule;
pub mod signature;
pub mod verdict;
