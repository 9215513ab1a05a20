//! The stored body as a `CloudEvents` 1.0 event. Pure.
//!
//! The journal stores one body for all endpoints, and `format` belongs to the endpoint; so the event is
//! derived from the stored bytes at each attempt, by nothing else. The same bytes always give the same
//! event, in every attempt and after every restart (P3); a vector in the tests freezes how.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    arrival::EventId,
    http::{HeaderMap, HeaderName, HeaderValue},
};

/// Content type of a structured event.
pub const STRUCTURED: &str = "application/cloudevents+json; charset=UTF-8";

/// A longer `ce-subject` is left out, in bytes as it is sent: many servers refuse a head of more than 8 KiB,
/// the attribute is optional, and the data names the file.
pub const SUBJECT_LEN_MAX: usize = 4096;

/// What a header value must not contain as it is (HTTP binding 1.0.2, 3.1.3.2). All that is not ASCII is
/// encoded, too.
const IN_HEADER: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');
/// What a URN has in common with every other URI (RFC 3986 2.3).
const IN_URN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What is read of a stored body.
#[derive(Deserialize)]
struct Stored<'b> {
    #[serde(borrow)]
    r#type: Cow<'b, str>,
    #[serde(borrow)]
    timestamp: Cow<'b, str>,
    #[serde(borrow)]
    data: &'b RawValue,
}

/// What is read of its `data`.
#[derive(Deserialize)]
struct Names<'b> {
    #[serde(borrow)]
    instance: Cow<'b, str>,
    #[serde(borrow)]
    watch: Option<Cow<'b, str>>,
    #[serde(borrow)]
    rel_path: Option<Cow<'b, str>>,
}

/// The attributes in the order in which they are written, and the data byte for byte.
#[derive(Serialize)]
pub struct CloudEvent<'b> {
    specversion: &'static str,
    id: String,
    source: String,
    r#type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<Cow<'b, str>>,
    time: Cow<'b, str>,
    datacontenttype: &'static str,
    data: &'b RawValue,
}

impl<'b> CloudEvent<'b> {
    /// Reads a body that this program has stored; `None` for any other bytes.
    pub fn of(event: EventId, body: &'b [u8]) -> Option<Self> {
        let stored: Stored<'b> = serde_json::from_slice(body).ok()?;
        let names: Names<'b> = serde_json::from_str(stored.data.get()).ok()?;
        let urn = |part: &str| utf8_percent_encode(part, IN_URN).to_string();
        let mut source = format!("urn:watchd:{}", urn(&names.instance));
        if let Some(watch) = names.watch {
            source = format!("{source}:{}", urn(&watch));
        }
        let kind = stored.r#type.strip_prefix("watchd.").unwrap_or(&stored.r#type);
        Some(Self {
            specversion: "1.0",
            id: event.to_string(),
            source,
            r#type: format!("io.watchd.{kind}.v1"),
            subject: names.rel_path.filter(|path| !path.is_empty()),
            time: stored.timestamp,
            datacontenttype: "application/json",
            data: stored.data,
        })
    }

    /// The body of structured mode.
    pub fn structured(&self) -> Vec<u8> {
        // Texts, and JSON that was parsed: there is nothing here that cannot be written.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Binary mode: sets the headers and gives the body, a part of the stored one.
    pub fn binary(&self, headers: &mut HeaderMap) -> &'b [u8] {
        let attributes = [
            (HeaderName::from_static("ce-specversion"), self.specversion),
            (HeaderName::from_static("ce-id"), &self.id),
            (HeaderName::from_static("ce-source"), &self.source),
            (HeaderName::from_static("ce-type"), &self.r#type),
            (HeaderName::from_static("ce-time"), &self.time),
        ];
        for (name, value) in attributes {
            headers.insert(name, encoded(value));
        }
        if let Some(subject) = self.subject.as_deref().map(encoded)
            && subject.len() <= SUBJECT_LEN_MAX
        {
            headers.insert(HeaderName::from_static("ce-subject"), subject);
        }
        self.data.get().as_bytes()
    }
}

/// A text as the value of a `ce-` header.
fn encoded(text: &str) -> HeaderValue {
    let encoded = utf8_percent_encode(text, IN_HEADER).to_string();
    // Visible ASCII only: always a legal value.
    HeaderValue::try_from(encoded).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EVENT: EventId = EventId([0xab; 16]);

    fn body(instance: &str, path: &str) -> Vec<u8> {
        let text = |text| serde_json::to_string(text).unwrap();
        format!(
            concat!(
                r#"{{"type":"file.landed","timestamp":"2026-03-01T12:00:00.123456Z","data":{{"id":"x","#,
                r#""instance":{},"host":"box7","watch":"scans","rel_path":{},"size":42}}}}"#
            ),
            text(instance),
            text(path),
        )
        .into_bytes()
    }

    fn header(headers: &HeaderMap, name: &str) -> Option<String> {
        headers.get(name).map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_structured_event_never_changes() {
        let body = body("3c9d", "d/a b.csv");
        let event = CloudEvent::of(EVENT, &body).unwrap();
        let expected = concat!(
            r#"{"specversion":"1.0","id":"evt_abababababababababababababababab","#,
            r#""source":"urn:watchd:3c9d:scans","type":"io.watchd.file.landed.v1","#,
            r#""subject":"d/a b.csv","time":"2026-03-01T12:00:00.123456Z","#,
            r#""datacontenttype":"application/json","data":{"id":"x","instance":"3c9d","#,
            r#""host":"box7","watch":"scans","rel_path":"d/a b.csv","size":42}}"#
        );
        assert_eq!(String::from_utf8(event.structured()).unwrap(), expected);
    }

    #[test]
    fn a_binary_event_never_changes() {
        let stored = body("3c9d", "d/a b.csv");
        let mut headers = HeaderMap::new();
        let body = CloudEvent::of(EVENT, &stored).unwrap().binary(&mut headers);
        let mut lines: Vec<_> =
            headers.iter().map(|(n, v)| format!("{n}: {}", v.to_str().unwrap())).collect();
        lines.sort();
        let expected = [
            "ce-id: evt_abababababababababababababababab",
            "ce-source: urn:watchd:3c9d:scans",
            "ce-specversion: 1.0",
            "ce-subject: d/a%20b.csv",
            "ce-time: 2026-03-01T12:00:00.123456Z",
            "ce-type: io.watchd.file.landed.v1",
        ];
        assert_eq!(lines, expected);
        assert!(body.starts_with(br#"{"id":"x","instance""#) && body.ends_with(br#""size":42}"#));
    }

    /// The first is the specification's own.
    #[test]
    fn vectors_of_percent_encoding() {
        for (name, sent) in [
            ("Euro € 😀", "Euro%20%E2%82%AC%20%F0%9F%98%80"),
            ("a\r\nX-Evil: 1.txt", "a%0D%0AX-Evil:%201.txt"),
            ("Screenshot 1.42.07\u{202f}PM.png", "Screenshot%201.42.07%E2%80%AFPM.png"),
            ("50%\"\u{7f}~!", "50%25%22%7F~!"),
        ] {
            let (stored, mut headers) = (body("i", name), HeaderMap::new());
            CloudEvent::of(EVENT, &stored).unwrap().binary(&mut headers);
            assert_eq!(header(&headers, "ce-subject").as_deref(), Some(sent));
        }
    }

    #[test]
    fn a_source_is_a_uri_whatever_the_instance_is_called() {
        let stored = body("box \"7\"/ä", "a");
        let event = CloudEvent::of(EVENT, &stored).unwrap();
        assert_eq!(event.source, "urn:watchd:box%20%227%22%2F%C3%A4:scans");
    }

    #[test]
    fn a_subject_that_fills_the_head_is_left_out_of_it() {
        for (length, sent) in [(SUBJECT_LEN_MAX, true), (SUBJECT_LEN_MAX + 1, false)] {
            let (stored, mut headers) = (body("i", &"x".repeat(length)), HeaderMap::new());
            CloudEvent::of(EVENT, &stored).unwrap().binary(&mut headers);
            assert_eq!(header(&headers, "ce-subject").is_some(), sent);
        }
    }

    #[test]
    fn what_is_no_event_of_ours_has_no_other_form() {
        for body in ["", "{}", "[]", r#"{"type":"a","timestamp":"b","data":{}}"#] {
            assert!(CloudEvent::of(EVENT, body.as_bytes()).is_none(), "{body}");
        }
        let ping = br#"{"type":"watchd.ping","timestamp":"t","data":{"instance":"i"}}"#;
        let event = CloudEvent::of(EVENT, ping).unwrap();
        assert_eq!(
            (event.r#type.as_str(), event.source.as_str()),
            ("io.watchd.ping.v1", "urn:watchd:i")
        );
        assert!(event.subject.is_none());
    }

    proptest! {
        #[test]
        fn every_name_has_a_legal_header_and_is_read_back(name in "\\PC{1,40}|[\\x00-\\x7f]{1,40}") {
            let (stored, mut headers) = (body("i", &name), HeaderMap::new());
            let event = CloudEvent::of(EVENT, &stored).unwrap();
            event.binary(&mut headers);
            let sent = header(&headers, "ce-subject").unwrap();
            prop_assert!(sent.bytes().all(|b| (0x21..=0x7e).contains(&b) && b != b'"'));
            let decoded = percent_encoding::percent_decode_str(&sent).decode_utf8().unwrap();
            prop_assert_eq!(decoded.as_ref(), name.as_str());
            let json: serde_json::Value = serde_json::from_slice(&event.structured()).unwrap();
            prop_assert_eq!(json["subject"].as_str(), Some(name.as_str()));
        }
    }
}
