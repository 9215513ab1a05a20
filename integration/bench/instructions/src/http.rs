//! The names that the product's HTTP client gives to others, without the client.

pub use bytes::Bytes;
pub use http::{HeaderMap, HeaderName, HeaderValue};
