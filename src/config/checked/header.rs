//! Headers of the operator's own. Their values are secrets (P10): they are marked so, and print as such.

use crate::http::{HeaderName, HeaderValue};

/// The longest value, in bytes. Many servers give a whole head 8 KiB.
pub const HEADER_LEN_MAX: usize = 4096;

/// What the request is made of (RFC 9110 and 9112), and what is signed or ours to say.
const RESERVED: &[&str] = &[
    "connection",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "traceparent",
    "transfer-encoding",
    "upgrade",
];
const RESERVED_PREFIXES: &[&str] = &["webhook-", "ce-", "watchd-", "content-", "proxy-"];

/// Why a header is refused. Carries nothing of its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadHeader {
    /// Not a token (RFC 9110 5.6.2).
    #[error("this is no name of a header")]
    Name,
    /// Watchd sets it, or the connection depends on it.
    #[error("this header is watchd's own to set")]
    Reserved,
    /// Nothing there: an empty key authorises nobody.
    #[error("the value is empty")]
    Empty,
    /// More than visible ASCII characters and blanks.
    #[error("the value has a control character in it, or one that is not ASCII")]
    Value,
    /// Longer than [`HEADER_LEN_MAX`].
    #[error("the value has {bytes} bytes; {HEADER_LEN_MAX} are allowed")]
    Length {
        /// How many there are.
        bytes: usize,
    },
    /// More of them than servers take.
    #[error("more headers than {most}")]
    Many {
        /// How many are possible.
        most: usize,
    },
}

/// Checks a name; it comes back in lower case.
pub fn header_name(text: &str) -> Result<HeaderName, BadHeader> {
    let name = HeaderName::from_bytes(text.as_bytes()).map_err(|_| BadHeader::Name)?;
    let ours = RESERVED_PREFIXES.iter().any(|prefix| name.as_str().starts_with(prefix));
    if ours || RESERVED.contains(&name.as_str()) { Err(BadHeader::Reserved) } else { Ok(name) }
}

/// Checks a value and marks it as secret. One line end is trimmed, for it may come from a file.
pub fn header_value(text: &str) -> Result<HeaderValue, BadHeader> {
    let text = text.strip_suffix('\n').map_or(text, |t| t.strip_suffix('\r').unwrap_or(t));
    if text.trim().is_empty() {
        return Err(BadHeader::Empty);
    }
    if text.len() > HEADER_LEN_MAX {
        return Err(BadHeader::Length { bytes: text.len() });
    }
    // Bytes beyond ASCII mean one thing here and another there (RFC 9110 5.5).
    let value = HeaderValue::from_str(text).ok().filter(|_| text.is_ascii());
    let mut value = value.ok_or(BadHeader::Value)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_refused() {
        for name in ["", " x", "x y", "x:", "ä", "x\n", "a/b"] {
            assert_eq!(header_name(name), Err(BadHeader::Name), "{name:?}");
        }
        for name in [
            "Webhook-Id",
            "webhook-anything",
            "ce-id",
            "watchd-attempt",
            "Host",
            "content-length",
            "Content-Type",
            "connection",
            "Transfer-Encoding",
            "te",
            "trailer",
            "upgrade",
            "expect",
            "keep-alive",
            "Proxy-Authorization",
            "traceparent",
        ] {
            assert_eq!(header_name(name), Err(BadHeader::Reserved), "{name}");
        }
        assert_eq!(header_name("X-Api-Key").unwrap().as_str(), "x-api-key");
        assert!(header_name("authorization").is_ok() && header_name("user-agent").is_ok());
    }

    #[test]
    fn values_that_are_refused() {
        for (text, why) in [
            ("", BadHeader::Empty),
            ("\n", BadHeader::Empty),
            (" ", BadHeader::Empty),
            ("a\nb", BadHeader::Value),
            ("a\r\nx-evil: 1", BadHeader::Value),
            ("a\n\n", BadHeader::Value),
            ("a\0", BadHeader::Value),
            ("a\u{7f}", BadHeader::Value),
            ("ä", BadHeader::Value),
        ] {
            assert_eq!(header_value(text), Err(why), "{text:?}");
        }
        let long = "x".repeat(HEADER_LEN_MAX + 1);
        assert_eq!(header_value(&long), Err(BadHeader::Length { bytes: HEADER_LEN_MAX + 1 }));
    }

    #[test]
    fn a_value_is_never_printed() {
        let value = header_value("Bearer canary\r\n").unwrap();
        assert_eq!(value.as_bytes(), b"Bearer canary");
        assert!(!format!("{value:?}").contains("canary"));
    }
}
