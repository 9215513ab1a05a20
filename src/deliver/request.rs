//! The request of one attempt: its headers, and the body in the endpoint's format. Pure.
//!
//! The stored body is fixed at commit and the id with it; only the attempt number, its time and therefore the
//! signature differ between attempts. Receivers reject a signature older than five minutes, so a retry
//! that reused the first time would never be accepted.

use std::sync::Arc;

use crate::{
    arrival::{EventId, Name},
    clock::WallMs,
    config::checked::Format,
    http::{Bytes, HeaderMap, HeaderName, HeaderValue},
};

use super::{
    cloud_events::{self, CloudEvent},
    signature::Signer,
    trace::traceparent,
};

const CONTENT_TYPE: HeaderName = HeaderName::from_static("content-type");
const USER_AGENT: HeaderName = HeaderName::from_static("user-agent");
const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
const ATTEMPT: HeaderName = HeaderName::from_static("watchd-attempt");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const STRUCTURED: HeaderValue = HeaderValue::from_static(cloud_events::STRUCTURED);

/// What all requests of one endpoint have in common; made once for its lane.
#[derive(Clone)]
pub struct Form {
    endpoint: Name,
    format: Format,
    signer: Signer,
    /// What does not change: the operator's headers, and ours that these may replace.
    fixed: HeaderMap,
}

/// One request, but for the URL.
#[derive(Debug)]
pub struct Request {
    /// All but those of the connection: Host, Accept and Content-Length are added below us.
    pub headers: HeaderMap,
    /// What was signed.
    pub body: Bytes,
}

impl Form {
    /// `headers` are the operator's, none of them reserved.
    pub fn new(
        endpoint: Name,
        format: Format,
        headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
        signer: Signer,
    ) -> Self {
        let mut fixed = HeaderMap::with_capacity(16);
        let agent = concat!("watchd/", env!("CARGO_PKG_VERSION"));
        fixed.insert(USER_AGENT, HeaderValue::from_static(agent));
        fixed.insert(CONTENT_TYPE, JSON);
        for (name, value) in headers {
            fixed.insert(name, value);
        }
        Self { endpoint, format, signer, fixed }
    }

    /// Whether a receiver can tell who sent it, and therefore looks at our clock.
    pub fn is_signed(&self) -> bool {
        !self.signer.is_empty()
    }

    /// The request of attempt number `attempt`, counted from 1, made at `now`.
    pub fn request(
        &self,
        event: EventId,
        attempt: u32,
        now: WallMs,
        stored: &Arc<[u8]>,
    ) -> Request {
        let mut headers = self.fixed.clone();
        let body = self.body(event, stored, &mut headers);
        let id = event.to_string();
        let seconds = now.unix_seconds();
        if self.is_signed() {
            headers.insert(SIGNATURE, plain(self.signer.sign(&id, seconds, &body)));
        }
        headers.insert(ID, plain(id));
        headers.insert(TIMESTAMP, HeaderValue::from(seconds));
        headers.insert(ATTEMPT, HeaderValue::from(attempt));
        headers.insert(TRACEPARENT, plain(traceparent(event, &self.endpoint, attempt, now)));
        Request { headers, body }
    }

    /// The stored bytes in the endpoint's format. Bytes that are no event of ours go out as they are: a
    /// receiver can make more of them than of nothing.
    fn body(&self, event: EventId, stored: &Arc<[u8]>, headers: &mut HeaderMap) -> Bytes {
        let whole = Bytes::from_owner(Arc::clone(stored));
        if self.format == Format::Json {
            return whole;
        }
        match (CloudEvent::of(event, stored), self.format) {
            (Some(event), Format::CloudEvents) => {
                headers.insert(CONTENT_TYPE, STRUCTURED);
                Bytes::from(event.structured())
            }
            (Some(event), Format::CloudEventsBinary) => whole.slice_ref(event.binary(headers)),
            (_, Format::Json) | (None, _) => whole,
        }
    }
}

/// Hex, digits and base64: always a legal header value.
fn plain(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::checked::header_value, secret::SigningSecret};

    const EVENT: EventId = EventId(0x0196_1f2e_7c3a_7b2e_8d54_f00d_cafe_0001_u128.to_be_bytes());
    const BODY: &str = r#"{"type":"file.landed","timestamp":"2026-03-01T12:00:00.123456Z","data":{"instance":"i","watch":"w","rel_path":"a b"}}"#;
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn form(format: Format, headers: &[(&'static str, &str)], secrets: &[&str]) -> Form {
        let secrets: Vec<_> = secrets.iter().map(|s| SigningSecret::parse(s).unwrap()).collect();
        let own = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), header_value(value).unwrap())
        };
        let headers: Vec<_> = headers.iter().map(own).collect();
        Form::new(Name::parse("crm").unwrap(), format, headers, Signer::new(&secrets))
    }

    fn sent(form: &Form, attempt: u32, now: WallMs) -> (Vec<String>, String) {
        let request = form.request(EVENT, attempt, now, &Arc::from(BODY.as_bytes()));
        let line = |(name, value): (&HeaderName, &HeaderValue)| {
            format!("{name}: {}", value.to_str().unwrap())
        };
        let mut lines: Vec<_> = request.headers.iter().map(line).collect();
        lines.retain(|line| !line.starts_with("traceparent: 00-01961f2e7c3a7b2e8d54f00dcafe0001-"));
        lines.sort();
        (lines, String::from_utf8(request.body.to_vec()).unwrap())
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
        let (headers, body) = sent(&form(Format::Json, &[], &[]), 3, WallMs(1_772_366_400_999));
        assert_eq!((headers.as_slice(), body.as_str()), (want.map(str::to_owned).as_slice(), BODY));
    }

    #[test]
    fn the_signature_is_of_this_attempts_time_and_of_the_body_that_is_sent() {
        for format in [Format::Json, Format::CloudEvents, Format::CloudEventsBinary] {
            let form = form(format, &[], &[SECRET]);
            let signature_at = |ms| {
                let (lines, body) = sent(&form, 1, WallMs(ms));
                let found = lines
                    .into_iter()
                    .find_map(|line| line.strip_prefix("webhook-signature: ").map(str::to_owned));
                let signer = Signer::new(&[SigningSecret::parse(SECRET).unwrap()]);
                let id = "evt_01961f2e7c3a7b2e8d54f00dcafe0001";
                assert_eq!(found, Some(signer.sign(id, ms / 1000, body.as_bytes())));
                found
            };
            assert_ne!(signature_at(1_772_366_400_000), signature_at(1_772_366_401_000));
            assert_eq!(signature_at(1_772_366_400_000), signature_at(1_772_366_400_999));
        }
    }

    #[test]
    fn headers_of_the_operator_are_sent_and_replace_none_that_is_signed() {
        let own = [("x-api-key", "k"), ("user-agent", "box"), ("authorization", "Bearer t")];
        let (headers, _) = sent(&form(Format::Json, &own, &[SECRET]), 1, WallMs(0));
        for line in ["x-api-key: k", "user-agent: box", "authorization: Bearer t"] {
            assert_eq!(headers.iter().filter(|header| *header == line).count(), 1, "{headers:?}");
        }
        // Should a reserved name ever come this far, ours is set after it.
        let (headers, _) = sent(&form(Format::Json, &[("webhook-id", "x")], &[]), 1, WallMs(0));
        let ids: Vec<_> = headers.iter().filter(|line| line.starts_with("webhook-id")).collect();
        assert_eq!(ids, ["webhook-id: evt_01961f2e7c3a7b2e8d54f00dcafe0001"]);
    }

    #[test]
    fn the_format_decides_type_and_body() {
        let (headers, body) = sent(&form(Format::CloudEvents, &[], &[]), 1, WallMs(0));
        let kind = "content-type: application/cloudevents+json; charset=UTF-8".to_owned();
        assert!(headers.contains(&kind) && !headers.iter().any(|line| line.starts_with("ce-")));
        assert!(body.starts_with(r#"{"specversion":"1.0","id":"evt_0196"#), "{body}");
        let (headers, body) = sent(&form(Format::CloudEventsBinary, &[], &[]), 1, WallMs(0));
        assert!(headers.contains(&"content-type: application/json".to_owned()));
        assert!(headers.contains(&"ce-subject: a%20b".to_owned()), "{headers:?}");
        assert_eq!(body, r#"{"instance":"i","watch":"w","rel_path":"a b"}"#);
    }

    #[test]
    fn bytes_that_are_no_event_go_out_as_they_are() {
        let request =
            form(Format::CloudEvents, &[], &[]).request(EVENT, 1, WallMs(0), &Arc::from(&b"?"[..]));
        assert_eq!(&request.body[..], b"?");
        assert_eq!(request.headers.get("content-type"), Some(&JSON));
    }
}
