//! `CloudEvents` on the wire (part of P3 and P11): what a consumer makes of an event, in both modes.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};
use watchd::{
    arrival::{EventId, Name},
    clock::WallMs,
    config::checked::Format,
    deliver::{request::Form, signature::Signer},
};

use super::p11_bad_input::create_every_kind_of_name;
use crate::harness::{
    Receiver, Site,
    cloud_event::{Consumed, consume},
    disk,
};

const MODES: [&str; 2] = ["cloudevents", "cloudevents-binary"];

#[test]
fn a_consumer_gets_what_the_plain_format_tells() {
    for mode in MODES {
        let (plain, events, site) = (Receiver::up(), Receiver::up(), Site::new());
        let config = site.config(&plain.url()).add_endpoint("events", &events.url());
        let config = config.set("endpoint.events", "format", mode);
        let watchd = config.watch("endpoints", vec!["crm", "events"]).ready();
        let name = "50% \"sure\".csv";
        disk::create(&site.root(), name);
        let (told, request) = (plain.wait_for_file(name), events.wait_for_file(name));
        watchd.stop();
        let event = consume(&request.headers, &request.body);
        assert_eq!(event.structured, mode == "cloudevents");
        let source = format!("urn:watchd:{}:inbox", told.data("instance").as_str().unwrap());
        let expected = [
            ("specversion", "1.0"),
            ("id", told.id()),
            ("source", &source),
            ("type", "io.watchd.file.landed.v1"),
            ("subject", name),
            ("time", told.json["timestamp"].as_str().unwrap()),
            ("datacontenttype", "application/json"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(event.attributes, expected.into());
        assert_eq!(event.data, told.json["data"]);
        assert_eq!(request.id(), told.id());
    }
}

#[test]
fn every_name_that_linux_allows_is_an_event_in_both_modes() {
    for mode in MODES {
        let (receiver, site) = (Receiver::up(), Site::new());
        let config = site.config(&receiver.url()).endpoint("format", mode);
        let watchd = config.watch("default_excludes", false).ready();
        let paths = create_every_kind_of_name(&site);
        receiver.wait_for_paths(&paths);
        watchd.stop();
        receiver.assert_no_duplicates();
        for request in receiver.read(|record| record.requests.clone()) {
            let event = consume(&request.headers, &request.body);
            assert_eq!(event.attribute("subject"), event.data["rel_path"].as_str());
        }
    }
}

#[test]
fn a_notice_is_an_event_too() {
    for mode in MODES {
        let (receiver, site) = (Receiver::up(), Site::new());
        let config = site.config(&receiver.url()).endpoint("format", mode);
        let watchd = config.set("operations", "endpoint", "crm").ready();
        let started =
            receiver.wait_for("a start is told", |record| record.requests.first().cloned());
        watchd.stop();
        let event = consume(&started.headers, &started.body);
        assert_eq!(event.attribute("type"), Some("io.watchd.started.v1"));
        assert_eq!(event.attribute("subject"), None);
    }
}

fn sent(format: Format, stored: &Value) -> Consumed {
    let form = Form::new(Name::parse("crm").unwrap(), format, [], Signer::new(&[]));
    let stored: Arc<[u8]> = Arc::from(stored.to_string().into_bytes());
    let request = form.request(EventId([7; 16]), 1, WallMs(0), &stored);
    let header = |(name, value): (&watchd::http::HeaderName, &watchd::http::HeaderValue)| {
        (name.to_string(), value.to_str().unwrap().to_owned())
    };
    consume(&request.headers.iter().map(header).collect::<Vec<_>>(), &request.body)
}

proptest! {
    #[test]
    fn any_name_and_any_instance_is_an_event_in_both_modes(
        path in prop::collection::vec(1u8.., 1..300), instance in "\\PC{1,40}",
    ) {
        let path = String::from_utf8_lossy(&path);
        let data = json!({"instance": instance, "watch": "inbox", "rel_path": path, "size": 1});
        let stored = json!({"type": "file.landed", "timestamp": "2026-03-01T12:00:00.123456Z", "data": data});
        for format in [Format::CloudEvents, Format::CloudEventsBinary] {
            let event = sent(format, &stored);
            prop_assert_eq!(event.attribute("subject"), Some(path.as_ref()));
            prop_assert_eq!(&event.data, &data);
        }
    }
}
