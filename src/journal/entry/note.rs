//! What is said about the daemon itself: the body of a notice. Pure.

use serde::{Serialize, Serializer, ser::SerializeMap as _};

use super::Body;
use crate::{
    arrival::EventId,
    notice::{About, Told},
};

/// Everything that the body tells.
#[derive(Debug)]
pub(crate) struct Note<'a> {
    pub(crate) instance: &'a str,
    pub(crate) host: &'a str,
    pub(crate) told: &'a Told,
    /// Microseconds since 1970.
    pub(crate) committed_micros: i64,
}

struct Data<'a> {
    id: EventId,
    note: &'a Note<'a>,
}

impl Note<'_> {
    /// Made of what the notice says, and of the time: a notice is no file, and has no version. The same notice
    /// keeps its id in every attempt.
    pub(crate) fn id(&self) -> EventId {
        let mut hash = blake3::Hasher::new_derive_key("watchd 2026 id of a notice");
        let about = self.told.notice.about.path();
        let kind = self.told.notice.kind.name();
        for field in [self.instance, kind, &about] {
            hash.update(&u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
            hash.update(field.as_bytes());
        }
        hash.update(&self.committed_micros.to_be_bytes());
        let mut id = [0; 16];
        hash.finalize_xof().fill(&mut id);
        EventId(id)
    }

    /// The bytes to store and to send.
    pub(crate) fn body(&self, id: EventId) -> Vec<u8> {
        let kind = self.told.notice.kind.name();
        Body::bytes(kind, self.committed_micros, Data { id, note: self })
    }
}

impl Serialize for Data<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Note { instance, host, told, .. } = self.note;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &self.id.to_string())?;
        map.serialize_entry("instance", instance)?;
        map.serialize_entry("host", host)?;
        match &told.notice.about {
            About::Daemon => {}
            About::Endpoint(name) => map.serialize_entry("endpoint", name.as_str())?,
            About::Watch(name) => map.serialize_entry("watch", name.as_str())?,
        }
        for (key, fact) in &told.notice.facts {
            map.serialize_entry(key, fact)?;
        }
        map.serialize_entry("count", &told.count)?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        arrival::Name,
        notice::{Kind, Notice},
    };

    #[test]
    fn a_notice_has_the_shape_of_the_contract() {
        let about = About::Endpoint(Name::parse("crm").unwrap());
        let notice =
            Notice::new(Kind::EventDead, about).text("reason", "busy").number("status", 503);
        let told = Told { notice, count: 7 };
        let note = Note { instance: "i", host: "box", told: &told, committed_micros: 1_000_000 };
        let id = note.id();
        assert_eq!(
            String::from_utf8(note.body(id)).unwrap(),
            format!(
                r#"{{"type":"watchd.event.dead","timestamp":"1970-01-01T00:00:01.000000Z","data":{{"id":"{id}","instance":"i","host":"box","endpoint":"crm","reason":"busy","status":503,"count":7}}}}"#
            )
        );
        let later = Note { committed_micros: 1_000_001, ..note };
        assert_ne!(later.id(), id, "the same thing a moment later is another notice");
    }
}
