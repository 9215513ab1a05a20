//! What watches and endpoints are called.

use std::{fmt, sync::Arc};

/// The name of a watch or an endpoint as configured: `[a-z0-9][a-z0-9-]{0,62}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

impl Name {
    /// The longest name, in bytes.
    pub const LEN_MAX: usize = 63;

    /// Checks the alphabet and the length; `None` when either is wrong.
    pub fn parse(text: &str) -> Option<Self> {
        let lower_or_digit = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let first_ok = text.bytes().next().is_some_and(lower_or_digit);
        let rest_ok = text.bytes().all(|b| lower_or_digit(b) || b == b'-');
        (first_ok && rest_ok && text.len() <= Self::LEN_MAX).then(|| Self(text.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
