//! Signing secrets: how they are written, and that they are never shown (P10). Pure.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::signature::Ed25519KeyPair;

const PREFIX: &str = "whsec_";
const PREFIX_ED25519: &str = "whsk_";

/// The shortest and the longest symmetric key of Standard Webhooks, in bytes.
const KEY_LEN: std::ops::RangeInclusive<usize> = 24..=64;
/// An ed25519 seed (RFC 8032), alone or with its public key behind it.
const SEED_LEN: usize = 32;
const PAIR_LEN: usize = 64;

/// The key of a Standard Webhooks signature.
///
/// `Debug` does not show it, and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret(Key);

#[derive(Clone, PartialEq, Eq)]
enum Key {
    Symmetric(Vec<u8>),
    Seed(Vec<u8>),
}

/// The bytes of a [`SigningSecret`], for the signature only.
#[derive(Clone, Copy)]
pub enum KeyBytes<'k> {
    /// Of HMAC-SHA256: signature `v1`.
    Symmetric(&'k [u8]),
    /// The seed of an ed25519 key pair: signature `v1a`.
    Ed25519Seed(&'k [u8]),
}

/// Why a text is not a signing secret. Carries nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSecret {
    /// Nothing there.
    #[error("it is empty")]
    Empty,
    /// Neither prefix in front.
    #[error("it starts with neither `whsec_` nor `whsk_`")]
    Prefix,
    /// `whpk_...`: what receivers verify with.
    #[error("this is the public key; the private one starts with `whsk_`")]
    Public,
    /// Not standard base64 with padding.
    #[error("what follows the prefix is not standard base64")]
    Base64,
    /// Too short to be safe, or longer than receivers accept.
    #[error("the key has {bytes} bytes; 24 to 64 are allowed")]
    Length {
        /// How many there are.
        bytes: usize,
    },
    /// Of an ed25519 key.
    #[error("the ed25519 key has {bytes} bytes; a seed has 32, and a seed with its public key 64")]
    SeedLength {
        /// How many there are.
        bytes: usize,
    },
    /// Of an ed25519 key of 64 bytes: signatures would be worthless, or give the key away.
    #[error("the second half of the ed25519 key is not the public key of the first")]
    PublicHalf,
}

impl SigningSecret {
    /// Reads `whsec_` and standard base64 of 24 to 64 bytes, or `whsk_` and that of an ed25519 key, 32 or
    /// 64 bytes. One trailing newline is trimmed, because every editor and `echo` leaves one; nothing
    /// else is, so that a damaged secret is not half read.
    pub fn parse(text: &str) -> Result<Self, BadSecret> {
        let text = text.strip_suffix('\n').map_or(text, |t| t.strip_suffix('\r').unwrap_or(t));
        if text.is_empty() {
            return Err(BadSecret::Empty);
        }
        if text.starts_with("whpk_") {
            return Err(BadSecret::Public);
        }
        if let Some(coded) = text.strip_prefix(PREFIX_ED25519) {
            return ed25519(&decode(coded)?);
        }
        let key = decode(text.strip_prefix(PREFIX).ok_or(BadSecret::Prefix)?)?;
        if !KEY_LEN.contains(&key.len()) {
            return Err(BadSecret::Length { bytes: key.len() });
        }
        Ok(Self(Key::Symmetric(key)))
    }

    /// The decoded key.
    pub fn expose(&self) -> KeyBytes<'_> {
        match &self.0 {
            Key::Symmetric(key) => KeyBytes::Symmetric(key),
            Key::Seed(seed) => KeyBytes::Ed25519Seed(seed),
        }
    }
}

fn decode(coded: &str) -> Result<Vec<u8>, BadSecret> {
    STANDARD.decode(coded).map_err(|_| BadSecret::Base64)
}

fn ed25519(key: &[u8]) -> Result<SigningSecret, BadSecret> {
    let bytes = key.len();
    let seed = match key.split_at_checked(SEED_LEN) {
        Some((seed, [])) => seed,
        Some((seed, public)) if bytes == PAIR_LEN => {
            Ed25519KeyPair::from_seed_and_public_key(seed, public)
                .map_err(|_| BadSecret::PublicHalf)?;
            seed
        }
        _ => return Err(BadSecret::SeedLength { bytes }),
    };
    Ok(SigningSecret(Key::Seed(seed.to_vec())))
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(...)")
    }
}

/// Whether a text looks like a secret itself, where a file name was expected.
pub fn looks_like_secret(text: &str) -> bool {
    text.starts_with(PREFIX) || text.starts_with(PREFIX_ED25519)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_secrets_are_read() {
        let secret = SigningSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
        let KeyBytes::Symmetric(key) = secret.expose() else { panic!("symmetric") };
        assert_eq!((key.len(), key.first()), (24, Some(&0x31)));
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
            ("whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=", BadSecret::Public),
            ("whsk_", BadSecret::SeedLength { bytes: 0 }),
            (short.as_str(), BadSecret::Length { bytes: 23 }),
            (long.as_str(), BadSecret::Length { bytes: 65 }),
        ] {
            assert_eq!(SigningSecret::parse(text), Err(why), "{text:?}");
        }
    }

    /// The key pair of a test of Svix's server, also with its last character lost, as that test has it.
    #[test]
    fn an_ed25519_key_is_a_seed_or_a_seed_with_its_public_key() {
        let pair = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";
        let key = STANDARD.decode(pair.strip_prefix("whsk_").unwrap()).unwrap();
        let coded = |key: &[u8]| format!("whsk_{}", STANDARD.encode(key));
        let whole = SigningSecret::parse(pair).unwrap();
        assert!(matches!(whole.expose(), KeyBytes::Ed25519Seed(seed) if seed == &key[..32]));
        assert_eq!(SigningSecret::parse(&coded(&key[..32])), Ok(whole));

        let damaged = [&key[..63], &[key[63] ^ 1]].concat();
        assert_eq!(SigningSecret::parse(&coded(&damaged)), Err(BadSecret::PublicHalf));
        let swapped = [&key[32..], &key[..32]].concat();
        assert_eq!(SigningSecret::parse(&coded(&swapped)), Err(BadSecret::PublicHalf));
        for bytes in [31, 33, 63] {
            let cut = SigningSecret::parse(&coded(&key[..bytes]));
            assert_eq!(cut, Err(BadSecret::SeedLength { bytes }));
        }
        let lost = pair.trim_end_matches("g==");
        assert_eq!(SigningSecret::parse(lost), Err(BadSecret::Base64));
        assert_eq!(SigningSecret::parse(&pair.replace('/', "_")), Err(BadSecret::Base64));
    }

    #[test]
    fn debug_shows_nothing() {
        let secret = SigningSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        assert_eq!(format!("{secret:?}"), "SigningSecret(...)");
    }
}
