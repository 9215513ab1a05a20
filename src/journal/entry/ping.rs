//! What `watchd endpoint test` sends: an event about nothing. Pure.

use serde::Serialize;

use super::Body;
use crate::arrival::{EventId, Name};

/// Everything that the body tells.
#[derive(Debug)]
pub(crate) struct Ping<'a> {
    pub(crate) instance: &'a str,
    pub(crate) host: &'a str,
    pub(crate) endpoint: &'a Name,
    /// Microseconds since 1970.
    pub(crate) made_micros: i64,
}

#[derive(Serialize)]
struct Data<'a> {
    id: EventId,
    instance: &'a str,
    host: &'a str,
    endpoint: &'a str,
}

impl Ping<'_> {
    /// The bytes to send, in the shape of every other event: a receiver reads it with the same code.
    pub(crate) fn body(&self, id: EventId) -> Vec<u8> {
        let Ping { instance, host, endpoint, made_micros } = self;
        let data = Data { id, instance, host, endpoint: endpoint.as_str() };
        Body::bytes("watchd.ping", *made_micros, data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ping_has_the_shape_of_the_contract() {
        let endpoint = Name::parse("crm").unwrap();
        let ping = Ping { instance: "i", host: "box", endpoint: &endpoint, made_micros: 1_500_000 };
        let id = EventId([0xab; 16]);
        assert_eq!(
            String::from_utf8(ping.body(id)).unwrap(),
            format!(
                r#"{{"type":"watchd.ping","timestamp":"1970-01-01T00:00:01.500000Z","data":{{"id":"{id}","instance":"i","host":"box","endpoint":"crm"}}}}"#
            )
        );
    }
}
