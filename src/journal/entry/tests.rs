use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::arrival::{Identity, Kind, Sample, Witness};

fn version(size: u64, mtime: Stamp) -> Version {
    let sample = Sample {
        kind: Kind::File,
        ino: 1,
        birth: Some(mtime),
        size,
        mtime,
        ctime: mtime,
        witness: Witness::default(),
    };
    Version::of(&sample, Identity::Inode)
}

fn body(path: &[u8], version: &Version, previous: Option<EventId>) -> Vec<u8> {
    Entry {
        id: EventId([0xab; 16]),
        instance: "3c9d",
        host: "box7",
        watch: &Name::parse("scans").unwrap(),
        root: b"/srv/in",
        path: &RelPath::from_bytes(path),
        version,
        generation: if previous.is_some() { 2 } else { 1 },
        previous,
        initial: false,
        committed_micros: 1_772_366_400_123_456,
    }
    .body()
}

#[test]
fn the_body_is_the_documented_one_byte_for_byte() {
    let version = version(48213, Stamp { sec: 1_772_366_397, nsec: 0 });
    let expected = concat!(
        r#"{"type":"file.landed","timestamp":"2026-03-01T12:00:00.123456Z","data":{"#,
        r#""id":"evt_abababababababababababababababab","instance":"3c9d","host":"box7","watch":"scans","#,
        r#""path":"/srv/in/d/a.pdf","rel_path":"d/a.pdf","name":"a.pdf","path_b64":null,"#,
        r#""size":48213,"mtime":"2026-03-01T11:59:57.000000000Z","#,
        r#""generation":1,"previous_id":null,"initial":false}}"#
    );
    assert_eq!(String::from_utf8(body(b"d/a.pdf", &version, None)).unwrap(), expected);
}

#[test]
fn a_second_version_names_the_one_before() {
    let body = body(b"a", &version(1, Stamp::default()), Some(EventId([1; 16])));
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["data"]["generation"], 2);
    assert_eq!(body["data"]["previous_id"], "evt_01010101010101010101010101010101");
}

#[test]
fn a_year_that_rfc_3339_cannot_hold_is_shown_as_the_nearest_it_can() {
    for sec in [i64::MAX, i64::MIN, 400_000_000_000] {
        let body = body(b"a", &version(1, Stamp { sec, nsec: 5 }), None);
        let body: Value = serde_json::from_slice(&body).unwrap();
        let mtime = body["data"]["mtime"].as_str().unwrap();
        assert!(mtime.parse::<Timestamp>().is_ok(), "{mtime}");
    }
}

proptest! {
    #[test]
    fn every_name_can_be_decoded_from_the_body(path in prop::collection::vec(1_u8..=255, 1..300), sec: i64) {
        let body = body(&path, &version(1, Stamp { sec, nsec: 0 }), None);
        let body: Value = serde_json::from_slice(&body).unwrap();
        let data = &body["data"];
        let decoded = match data["path_b64"].as_str() {
            Some(raw) => STANDARD.decode(raw).unwrap(),
            None => data["path"].as_str().unwrap().as_bytes().to_vec(),
        };
        prop_assert_eq!(decoded.strip_prefix(b"/srv/in/").unwrap(), path.as_slice());
    }
}
