//! Standard Webhooks signatures, versions `v1` (HMAC-SHA256) and `v1a` (ed25519). Pure.

use std::{fmt::Write, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use ring::signature::Ed25519KeyPair;
use sha2::Sha256;

use crate::secret::{KeyBytes, SigningSecret};

/// Signs with every secret of an endpoint, so that a receiver can change over from one to the next.
#[derive(Clone)]
pub struct Signer(Arc<[Keyed]>);

/// Keyed once: the key schedule is half the work of signing a small body.
enum Keyed {
    Hmac(Hmac<Sha256>),
    Ed25519(Ed25519KeyPair),
}

impl Signer {
    /// `secrets` newest first; may be empty, and of both kinds.
    pub fn new(secrets: &[SigningSecret]) -> Self {
        Self(secrets.iter().filter_map(Keyed::new).collect())
    }

    /// Whether there is nothing to sign with.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of `webhook-signature`: `v1,...` or `v1a,...` for each secret, separated by spaces.
    ///
    /// Signed are id, `.`, timestamp, `.`, body: bytes, so the body need not be text.
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut head = String::with_capacity(id.len() + 24);
        // Writing to a String cannot fail.
        write!(head, "{id}.{timestamp}.").unwrap_or_default();
        let mut value = String::with_capacity(self.0.len() * 93);
        for keyed in self.0.iter() {
            if !value.is_empty() {
                value.push(' ');
            }
            keyed.sign(head.as_bytes(), body, &mut value);
        }
        value
    }
}

impl Keyed {
    /// Both kinds take any key that was parsed.
    fn new(secret: &SigningSecret) -> Option<Self> {
        match secret.expose() {
            KeyBytes::Symmetric(key) => Hmac::new_from_slice(key).ok().map(Self::Hmac),
            KeyBytes::Ed25519Seed(seed) => {
                Ed25519KeyPair::from_seed_unchecked(seed).ok().map(Self::Ed25519)
            }
        }
    }

    fn sign(&self, head: &[u8], body: &[u8], value: &mut String) {
        match self {
            Self::Hmac(keyed) => {
                let mut mac = keyed.clone();
                mac.update(head);
                mac.update(body);
                value.push_str("v1,");
                STANDARD.encode_string(mac.finalize().into_bytes(), value);
            }
            Self::Ed25519(pair) => {
                // Two passes over the message (RFC 8032 5.1.6), so it has to be in one piece.
                value.push_str("v1a,");
                STANDARD.encode_string(pair.sign(&[head, body].concat()), value);
            }
        }
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({} secrets)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECRET_A: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    const SECRET_B: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const KEY_C: &str = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";
    const ID_B: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const TIME_B: i64 = 1_614_265_330;
    const BODY_B: &[u8] = br#"{"test": 2432232314}"#;

    fn signer(secrets: &[&str]) -> Signer {
        let secrets: Vec<_> = secrets.iter().map(|s| SigningSecret::parse(s).unwrap()).collect();
        Signer::new(&secrets)
    }

    /// From the test suites of the official Standard Webhooks libraries (Rust; Go, JavaScript, Python).
    #[test]
    fn published_vectors() {
        let body = br#"{"email":"test@example.com","username":"test_user"}"#;
        assert_eq!(
            signer(&[SECRET_A]).sign("msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", 1_649_367_553, body),
            "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="
        );
        assert_eq!(
            signer(&[SECRET_B]).sign(ID_B, TIME_B, BODY_B),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    /// From the tests of Svix's server. (The example in the specification has this signature beside
    /// another message.)
    #[test]
    fn a_published_vector_of_ed25519() {
        assert_eq!(
            signer(&[KEY_C]).sign(ID_B, TIME_B, BODY_B),
            "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
        );
    }

    #[test]
    fn both_kinds_sign_in_the_order_given() {
        let both = signer(&[KEY_C, SECRET_A]).sign(ID_B, TIME_B, BODY_B);
        let (first, second) = both.split_once(' ').unwrap();
        assert_eq!(first, signer(&[KEY_C]).sign(ID_B, TIME_B, BODY_B));
        assert_eq!(second, "v1,78nXHjpFP0tVJQW5D0SBwmVyyW87BV/rL6MgfM/Bw44=");
    }

    #[test]
    fn an_empty_body_is_signed_too() {
        assert_eq!(
            signer(&[SECRET_B]).sign(ID_B, TIME_B, b""),
            "v1,v48jdbgvh29KJz2Qc+ghw8G6vG3nAKnujWBg8oM/62A="
        );
    }

    #[test]
    fn all_secrets_sign_newest_first() {
        assert_eq!(
            signer(&[SECRET_B, SECRET_A]).sign(ID_B, TIME_B, BODY_B),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= \
             v1,78nXHjpFP0tVJQW5D0SBwmVyyW87BV/rL6MgfM/Bw44="
        );
    }

    #[test]
    fn a_watchd_event() {
        let id = "evt_01961f2e7c3a7b2e8d54f00dcafe0001";
        let body = br#"{"type":"file.landed","timestamp":"2026-03-01T12:00:00.123456Z","data":{"v":1,"path":"/srv/in/a b.csv","size":42}}"#;
        let table = [
            (SECRET_B, "v1,L7NLHFZ/TGPSDqWUI/VQfxrZ1bocENX6oLJWIOzw/gQ="),
            (SECRET_A, "v1,jX14PjYP/T1XZjM+1FPqAOM5wkpoGo0KYfQLLqKy244="),
            (
                KEY_C,
                "v1a,gsSCUEwmaWG0Cv+kDC7w4R2iDRJadzAHEGw4bHXiY+CR+9LQ2Zi/NrA7sG/YWcNrBWLOnx5TcUdJLxL9iu60BQ==",
            ),
        ];
        for (secret, want) in table {
            assert_eq!(signer(&[secret]).sign(id, 1_772_366_400, body), want);
        }
    }

    #[test]
    fn without_secrets_there_is_no_signature() {
        let signer = signer(&[]);
        assert!(signer.is_empty());
        assert_eq!(signer.sign(ID_B, TIME_B, BODY_B), "");
    }

    #[test]
    fn bytes_that_are_no_text_are_signed() {
        assert_eq!(signer(&[SECRET_B]).sign(ID_B, TIME_B, b"\xff\x00").len(), 47);
    }

    proptest! {
        /// Differential: the official library of Standard Webhooks for Rust.
        #[test]
        fn the_official_library_signs_alike(
            key in prop::collection::vec(any::<u8>(), 24..=64), id in "[a-zA-Z0-9_]{1,64}",
            timestamp in 0i64..1 << 40, body in "\\PC{0,300}",
        ) {
            let secret = format!("whsec_{}", STANDARD.encode(key));
            let theirs = standardwebhooks::Webhook::new(&secret).unwrap();
            let theirs = theirs.sign(&id, timestamp, body.as_bytes()).unwrap();
            prop_assert_eq!(signer(&[&secret]).sign(&id, timestamp, body.as_bytes()), theirs);
        }

        /// Differential: another implementation of ed25519. Its signatures are deterministic (RFC 8032), so
        /// ours have to be equal; and nothing else may pass its strict check.
        #[test]
        fn another_ed25519_signs_alike_and_refuses_what_was_changed(
            seed in any::<[u8; 32]>(), with_public in any::<bool>(), id in "[a-zA-Z0-9_]{1,64}",
            timestamp in 0i64..1 << 40, body in prop::collection::vec(any::<u8>(), 0..300), flip in any::<u8>(),
        ) {
            use ed25519_dalek::{Signer as _, SigningKey};
            let key = SigningKey::from_bytes(&seed);
            let both = if with_public { key.to_keypair_bytes().to_vec() } else { seed.to_vec() };
            let secret = format!("whsk_{}", STANDARD.encode(both));
            let ours = signer(&[&secret]).sign(&id, timestamp, &body);
            let mut signed = [format!("{id}.{timestamp}.").as_bytes(), &body].concat();
            let theirs = key.sign(&signed);
            prop_assert_eq!(ours, format!("v1a,{}", STANDARD.encode(theirs.to_bytes())));
            prop_assert!(key.verifying_key().verify_strict(&signed, &theirs).is_ok());
            let at = usize::from(flip) % signed.len();
            signed[at] ^= 1;
            prop_assert!(key.verifying_key().verify_strict(&signed, &theirs).is_err());
        }
    }

    #[test]
    fn a_secret_is_never_printed() {
        assert_eq!(format!("{:?}", signer(&[SECRET_A, KEY_C])), "Signer(2 secrets)");
    }
}
