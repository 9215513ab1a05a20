//! The headers of one attempt. Pure.
//!
//! The body is fixed at commit and the id with it; only the attempt number, its time and therefore the
//! signature differ between attempts. Receivers reject a signature older than five minutes, so a retry
//! that reused the first time would never be accepted.

use crate::{
    arrival::EventId,
    clock::WallMs,
    http::{HeaderMap, HeaderName, HeaderValue},
};

use super::signature::Signer;

const CONTENT_TYPE: HeaderName = HeaderName::from_static("content-type");
const USER_AGENT: HeaderName = HeaderName::from_static("user-agent");
const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
const ATTEMPT: HeaderName = HeaderName::from_static("watchd-attempt");

/// The headers of attempt number `attempt`, counted from 1, made at `now`.
pub fn headers(
    signer: &Signer,
    event: EventId,
    attempt: u32,
    now: WallMs,
    body: &[u8],
) -> HeaderMap {
    let id = event.to_string();
    let seconds = now.unix_seconds();
    // Host, Accept and Content-Length are added below us.
    let mut headers = HeaderMap::with_capacity(12);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let agent = concat!("watchd/", env!("CARGO_PKG_VERSION"));
    headers.insert(USER_AGENT, HeaderValue::from_static(agent));
    if !signer.is_empty() {
        headers.insert(SIGNATURE, plain(signer.sign(&id, seconds, body)));
    }
    headers.insert(ID, plain(id));
    headers.insert(TIMESTAMP, HeaderValue::from(seconds));
    headers.insert(ATTEMPT, HeaderValue::from(attempt));
    headers
}

/// Hex, digits and base64: always a legal header value.
fn plain(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SigningSecret;

    const EVENT: EventId = EventId(0x0196_1f2e_7c3a_7b2e_8d54_f00d_cafe_0001_u128.to_be_bytes());

    fn shown(signer: &Signer, attempt: u32, now: WallMs) -> Vec<String> {
        let mut lines: Vec<_> = headers(signer, EVENT, attempt, now, b"{}")
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        lines.sort();
        lines
    }

    #[test]
    fn without_secrets() {
        let want = [
            "content-type: application/json",
            concat!("user-agent: watchd/", env!("CARGO_PKG_VERSION")),
            "watchd-attempt: 3",
            "webhook-id: evt_01961f2e7c3a7b2e8d54f00dcafe0001",
            "webhook-timestamp: 1772366400",
        ];
        assert_eq!(shown(&Signer::new(&[]), 3, WallMs(1_772_366_400_999)), want);
    }

    #[test]
    fn the_signature_is_of_this_attempts_time() {
        let secret = SigningSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signer = Signer::new(&[secret]);
        let signature_at = |ms| {
            let lines = shown(&signer, 1, WallMs(ms));
            lines.into_iter().find(|l| l.starts_with("webhook-signature: v1,")).unwrap()
        };
        assert_ne!(signature_at(1_772_366_400_000), signature_at(1_772_366_401_000));
        assert_eq!(signature_at(1_772_366_400_000), signature_at(1_772_366_400_999));
    }
}
