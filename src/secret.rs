//! Signing secrets: how they are written, and that they are never shown (P10). Pure.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};

const PREFIX: &str = "whsec_";
const PREFIX_ASYMMETRIC: &str = "whsk_";

/// The shortest and the longest key of Standard Webhooks, in bytes.
const KEY_LEN: std::ops::RangeInclusive<usize> = 24..=64;

/// The key of a symmetric Standard Webhooks signature (HMAC-SHA256).
///
/// `Debug` does not show it, and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret(Vec<u8>);

/// Why a text is not a signing secret. Carries nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSecret {
    /// Nothing there.
    #[error("it is empty")]
    Empty,
    /// No `whsec_` in front.
    #[error("it does not start with `whsec_`")]
    Prefix,
    /// `whsk_…`: an ed25519 key.
    #[error("ed25519 keys (`whsk_...`) are not available in watchd {}", env!("CARGO_PKG_VERSION"))]
    Asymmetric,
    /// Not standard base64 with padding.
    #[error("what follows `whsec_` is not standard base64")]
    Base64,
    /// Too short to be safe, or longer than receivers accept.
    #[error("the key has {bytes} bytes; 24 to 64 are allowed")]
    Length {
        /// How many there are.
        bytes: usize,
    },
}

impl SigningSecret {
    /// Reads `whsec_` and standard base64 of 24 to 64 bytes. One trailing newline is trimmed, because
    /// every editor and `echo` leaves one; nothing else is, so that a damaged secret is not half read.
    pub fn parse(text: &str) -> Result<Self, BadSecret> {
        let text = text.strip_suffix('\n').map_or(text, |t| t.strip_suffix('\r').unwrap_or(t));
        if text.is_empty() {
            return Err(BadSecret::Empty);
        }
        if text.starts_with(PREFIX_ASYMMETRIC) {
            return Err(BadSecret::Asymmetric);
        }
        let coded = text.strip_prefix(PREFIX).ok_or(BadSecret::Prefix)?;
        let key = STANDARD.decode(coded).map_err(|_| BadSecret::Base64)?;
        if !KEY_LEN.contains(&key.len()) {
            return Err(BadSecret::Length { bytes: key.len() });
        }
        Ok(Self(key))
    }

    /// The decoded key, for the signature only.
    pub fn key(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(...)")
    }
}

/// Whether a text looks like a secret itself, where a file name was expected.
pub fn looks_like_secret(text: &str) -> bool {
    text.starts_with(PREFIX) || text.starts_with(PREFIX_ASYMMETRIC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_secrets_are_read() {
        let secret = SigningSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
        assert_eq!(secret.key().len(), 24);
        assert_eq!(secret.key().first(), Some(&0x31));
        assert!(SigningSecret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD\r\n").is_ok());
    }

    #[test]
    fn others_are_refused_with_a_reason() {
        let short = format!("whsec_{}", STANDARD.encode([7; 23]));
        let long = format!("whsec_{}", STANDARD.encode([7; 65]));
        for (text, why) in [
            ("", BadSecret::Empty),
            ("\n", BadSecret::Empty),
            ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", BadSecret::Prefix),
            (" whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", BadSecret::Prefix),
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw ", BadSecret::Base64),
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n\n", BadSecret::Base64),
            ("whsec_C2FVsBQIhrscChlQIMV-b5sSYspob7oD", BadSecret::Base64),
            ("whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbc=", BadSecret::Asymmetric),
            (short.as_str(), BadSecret::Length { bytes: 23 }),
            (long.as_str(), BadSecret::Length { bytes: 65 }),
        ] {
            assert_eq!(SigningSecret::parse(text), Err(why), "{text:?}");
        }
    }

    #[test]
    fn debug_shows_nothing() {
        let secret = SigningSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        assert_eq!(format!("{secret:?}"), "SigningSecret(...)");
    }
}
