//! A consumer of `CloudEvents` 1.0.2 over HTTP, twice: the official SDK, and beside it each MUST of the
//! specification, its JSON format and its HTTP binding that a sender can break and the SDK lets pass.

use std::collections::BTreeMap;

use cloudevents::{
    AttributesReader, Event,
    event::SpecVersion,
    message::{
        BinaryDeserializer, BinarySerializer, Encoding, MessageAttributeValue, MessageDeserializer,
        Result, StructuredDeserializer, StructuredSerializer,
    },
};
use serde_json::Value;

const STRUCTURED: &str = "application/cloudevents+json";
const JSON_MEMBERS: &[&str] = &["data", "data_base64"];

/// What a consumer makes of a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Consumed {
    pub(crate) structured: bool,
    /// By name; percent-encoding undone, the type of the data included.
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) data: Value,
}

impl Consumed {
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }
}

/// Panics, with the rule that is broken, unless a consumer has to accept this message.
pub(crate) fn consume(headers: &[(String, String)], body: &[u8]) -> Consumed {
    let kind = one(headers, "content-type").expect("a message names the type of its body");
    let consumed =
        if kind.starts_with(STRUCTURED) { structured(kind, body) } else { binary(headers, body) };
    judge(&consumed.attributes);
    assert_agrees(&sdk(headers, body), &consumed);
    consumed
}

fn one<'h>(headers: &'h [(String, String)], name: &str) -> Option<&'h str> {
    let mut found = headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
    let value = found.next().map(|(_, value)| value.as_str());
    assert!(found.next().is_none(), "an attribute has one header: {name}");
    value
}

/// JSON event format 3; HTTP binding 3.2.
fn structured(kind: &str, body: &[u8]) -> Consumed {
    let charset = kind.strip_prefix(STRUCTURED).unwrap().trim_start_matches([';', ' ']);
    assert!(charset.is_empty() || charset.eq_ignore_ascii_case("charset=utf-8"), "{kind}");
    let text = std::str::from_utf8(body).expect("JSON is UTF-8");
    let mut members: serde_json::Map<String, Value> = serde_json::from_str(text).expect("JSON");
    assert!(members.get("data_base64").is_none(), "JSON data goes into `data`");
    let data = members.remove("data").expect("the event has data");
    let attributes = members.into_iter().map(|(name, value)| {
        let text = value.as_str().unwrap_or_else(|| panic!("{name} is no string: {value}"));
        (name, text.to_owned())
    });
    Consumed { structured: true, attributes: attributes.collect(), data }
}

/// HTTP binding 3.1.
fn binary(headers: &[(String, String)], body: &[u8]) -> Consumed {
    let mut attributes = BTreeMap::new();
    for (name, _) in headers {
        let Some(attribute) = name.to_ascii_lowercase().strip_prefix("ce-").map(str::to_owned)
        else {
            continue;
        };
        let value = decoded(one(headers, name).unwrap());
        assert_ne!(attribute, "datacontenttype", "3.1.1: it is the Content-Type");
        attributes.insert(attribute, value);
    }
    let kind = one(headers, "content-type").unwrap().to_owned();
    attributes.insert("datacontenttype".to_owned(), kind);
    let data = serde_json::from_slice(body).expect("the data is what the Content-Type says");
    Consumed { structured: false, attributes, data }
}

/// HTTP binding 3.1.3.2, backwards; refuses what the forward direction would not have made.
fn decoded(value: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        assert!((0x21..=0x7e).contains(&byte) && byte != b'"', "must be encoded: {value:?}");
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next(), rest.next()].map(|digit| char::from(digit.unwrap_or(b'?')));
        let digit = |c: char| {
            assert!(!c.is_ascii_lowercase(), "upper-case hex digits: {value:?}");
            c.to_digit(16).unwrap_or_else(|| panic!("two hex digits follow: {value:?}"))
        };
        bytes.push(u8::try_from(digit(digits[0]) * 16 + digit(digits[1])).unwrap());
    }
    String::from_utf8(bytes).expect("encoded is UTF-8")
}

/// Core specification: context attributes.
fn judge(attributes: &BTreeMap<String, String>) {
    for (name, value) in attributes {
        let is_legal = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
        assert!(!name.is_empty() && name.bytes().all(is_legal), "the name of an attribute: {name}");
        assert!(!JSON_MEMBERS.contains(&name.as_str()), "{name} is no attribute");
        assert!(!value.is_empty(), "{name} is empty");
    }
    let required =
        |name: &str| attributes.get(name).unwrap_or_else(|| panic!("{name} is required")).as_str();
    assert_eq!(required("specversion"), "1.0");
    let (_, _, source) = (required("id"), required("type"), required("source"));
    let unreserved = |c: u8| c.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&c);
    assert!(source.bytes().all(unreserved), "a source is a URI (RFC 3986): {source}");
    if let Some(time) = attributes.get("time") {
        let parsed: std::result::Result<jiff::Timestamp, _> = time.parse();
        assert!(parsed.is_ok() && time.as_bytes()[10] == b'T', "a time is RFC 3339: {time}");
    }
    if let Some(kind) = attributes.get("datacontenttype") {
        assert_eq!(kind.split('/').count(), 2, "a type of data is RFC 2046: {kind}");
    }
}

fn sdk(headers: &[(String, String)], body: &[u8]) -> Event {
    MessageDeserializer::into_event(Message { headers, body }).expect("the SDK takes the message")
}

fn assert_agrees(event: &Event, ours: &Consumed) {
    let some = |name: &str| ours.attribute(name).unwrap();
    assert_eq!(event.specversion(), SpecVersion::V10);
    assert_eq!(
        (event.id(), event.source().as_str(), event.ty()),
        (some("id"), some("source"), some("type"))
    );
    assert_eq!(event.subject(), ours.attribute("subject"));
    assert_eq!(event.datacontenttype(), ours.attribute("datacontenttype"));
    let time = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_microsecond();
    let theirs = event.time().expect("the time is sent").timestamp_micros();
    assert_eq!(Some(theirs), ours.attribute("time").map(time));
    assert_eq!(event.iter_extensions().count(), 0, "no extension is sent");
    let data: Value = event.data().cloned().expect("data").try_into().expect("the data is JSON");
    assert_eq!(data, ours.data);
}

/// An HTTP message as the SDK's trait for protocol bindings wants it. Its own binding for HTTP brings an async
/// runtime's worth of crates, one of them for the second time, and leaves percent-encoding as it is.
struct Message<'m> {
    headers: &'m [(String, String)],
    body: &'m [u8],
}

impl MessageDeserializer for Message<'_> {
    fn encoding(&self) -> Encoding {
        match one(self.headers, "content-type") {
            Some(kind) if kind.starts_with(STRUCTURED) => Encoding::STRUCTURED,
            _ if one(self.headers, "ce-specversion").is_some() => Encoding::BINARY,
            _ => Encoding::UNKNOWN,
        }
    }
}

impl StructuredDeserializer for Message<'_> {
    fn deserialize_structured<R, V: StructuredSerializer<R>>(self, visitor: V) -> Result<R> {
        visitor.set_structured_event(self.body.to_vec())
    }
}

impl BinaryDeserializer for Message<'_> {
    fn deserialize_binary<R, V: BinarySerializer<R>>(self, visitor: V) -> Result<R> {
        let version = one(self.headers, "ce-specversion").unwrap_or_default();
        let version = SpecVersion::try_from(version)?;
        let known = version.attribute_names();
        let mut visitor = visitor.set_spec_version(version)?;
        for (name, value) in self.headers {
            let value = || MessageAttributeValue::String(decoded(value));
            visitor = match name.strip_prefix("ce-") {
                None if name == "content-type" => {
                    visitor.set_attribute("datacontenttype", value())?
                }
                None | Some("specversion") => visitor,
                Some(name) if known.contains(&name) => visitor.set_attribute(name, value())?,
                Some(name) => visitor.set_extension(name, value())?,
            };
        }
        visitor.end_with_data(self.body.to_vec())
    }
}

#[test]
fn the_consumer_takes_the_examples_of_the_specification_and_no_others() {
    let head = "content-type: application/json|ce-specversion: 1.0|ce-type: com.example.someevent|\
                ce-time: 2018-04-05T03:56:24Z|ce-id: 1234-1234-1234|ce-source: /mycontext/subcontext|\
                ce-subject: Euro%20%E2%82%AC%20%F0%9F%98%80";
    let consume = |head: &str, body: &str| {
        let line = |line: &str| line.split_once(": ").map(|(n, v)| (n.to_owned(), v.to_owned()));
        let headers: Vec<_> = head.split('|').filter_map(line).collect();
        std::panic::catch_unwind(|| consume(&headers, body.as_bytes())).ok()
    };
    let event = consume(head, "{}").expect("the example of the HTTP binding");
    assert_eq!(event.attribute("subject"), Some("Euro \u{20ac} \u{1f600}"));
    for (right, wrong) in [
        ("ce-id: 1234-1234-1234|", ""),
        ("ce-source: /mycontext/subcontext", "ce-source: "),
        ("ce-specversion: 1.0", "ce-specversion: 2.0"),
        ("2018-04-05T03:56:24Z", "yesterday"),
        ("Euro%20%E2", "Euro %E2"),
        ("%82%AC", "%82%A"),
        ("%AC", "%ac"),
        ("ce-id", "ce-datacontenttype: application/json|ce-id"),
        ("ce-id", "ce-id: again|ce-id"),
        ("ce-id", "ce-some_thing: x|ce-id"),
        ("/mycontext", "/my context"),
    ] {
        let broken = head.replacen(right, wrong, 1);
        assert!(broken != head && consume(&broken, "{}").is_none(), "{broken}");
    }
    assert!(consume(head, "not JSON").is_none());
    let structured = "content-type: application/cloudevents+json; charset=UTF-8";
    let body = r#"{"specversion":"1.0","id":"1","source":"/a","type":"t","time":"2018-04-05T03:56:24Z","data":1}"#;
    assert!(consume(structured, body).is_some());
    for (right, wrong) in [
        (r#""id":"1","#, ""),
        (r#""id":"1""#, r#""id":1"#),
        (r#""data":1"#, r#""data_base64":"MQ==""#),
        (r#""id""#, r#""Id":"2","id""#),
    ] {
        let broken = body.replacen(right, wrong, 1);
        assert!(broken != body && consume(structured, &broken).is_none(), "{broken}");
    }
}
