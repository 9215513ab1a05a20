//! Standard Webhooks signatures, written a second time from the specification, so that the daemon's own
//! code is not its own judge.

use base64::{Engine, prelude::BASE64_STANDARD};
use ed25519_dalek::{Signature, VerifyingKey};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The `v1` signature of these bytes.
pub(crate) fn v1(secret: &str, id: &str, timestamp: &str, body: &[u8]) -> String {
    let key = BASE64_STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
        mac.update(part);
    }
    format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()))
}

/// Whether `signature` is a `v1a` of these bytes by the owner of `public`, by the strictest rules there are.
pub(crate) fn is_v1a(
    public: &str,
    signature: &str,
    id: &str,
    timestamp: &str,
    body: &[u8],
) -> bool {
    let Some(encoded) = signature.strip_prefix("v1a,") else { return false };
    let key = BASE64_STANDARD.decode(public.strip_prefix("whpk_").unwrap()).unwrap();
    let key = VerifyingKey::from_bytes(&key.try_into().unwrap()).unwrap();
    let signature = BASE64_STANDARD.decode(encoded).ok().and_then(|s| s.try_into().ok());
    let signed = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat();
    signature.is_some_and(|s| key.verify_strict(&signed, &Signature::from_bytes(&s)).is_ok())
}

#[test]
fn the_second_implementation_reproduces_the_published_vectors() {
    let published = v1(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "1614265330",
        br#"{"test": 2432232314}"#,
    );
    assert_eq!(published, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    let is_published = |body| {
        is_v1a(
            "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=",
            "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "1614265330",
            body,
        )
    };
    assert!(is_published(br#"{"test": 2432232314}"#) && !is_published(br#"{"test": 2432232315}"#));
}
