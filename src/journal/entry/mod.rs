//! What is said about one arrival: the body of its webhook, made once at commit. Pure.

mod note;
mod ping;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde::Serialize;

pub(crate) use self::{note::Note, ping::Ping};
use crate::arrival::{EventId, Name, RelPath, Stamp, Version};

/// Everything that the body tells.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) id: EventId,
    pub(crate) instance: &'a str,
    pub(crate) host: &'a str,
    pub(crate) watch: &'a Name,
    pub(crate) root: &'a [u8],
    pub(crate) path: &'a RelPath,
    pub(crate) version: &'a Version,
    pub(crate) generation: u64,
    pub(crate) previous: Option<EventId>,
    pub(crate) initial: bool,
    /// Microseconds since 1970.
    pub(crate) committed_micros: i64,
}

/// Standard Webhooks shape: `type`, `timestamp`, `data`. The order of the fields is the order on the wire.
#[derive(Serialize)]
struct Body<D> {
    r#type: &'static str,
    timestamp: String,
    data: D,
}

impl<D: Serialize> Body<D> {
    /// The bytes to send, of an event of `at_micros`.
    fn bytes(r#type: &'static str, at_micros: i64, data: D) -> Vec<u8> {
        let body = Self { r#type, timestamp: rfc3339_micros(at_micros), data };
        // Strings and numbers only: there is no value here that JSON cannot hold.
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

#[derive(Serialize)]
struct Data<'a> {
    id: String,
    instance: &'a str,
    host: &'a str,
    watch: &'a str,
    path: String,
    rel_path: String,
    name: String,
    path_b64: Option<String>,
    size: u64,
    mtime: String,
    generation: u64,
    previous_id: Option<String>,
    initial: bool,
}

impl Entry<'_> {
    /// The bytes to store and to send, the same for every attempt and every replay.
    pub(crate) fn body(&self) -> Vec<u8> {
        let mut full = self.root.to_vec();
        if full.last() != Some(&b'/') {
            full.push(b'/');
        }
        full.extend_from_slice(self.path.as_bytes());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let data = Data {
            id: self.id.to_string(),
            instance: self.instance,
            host: self.host,
            watch: self.watch.as_str(),
            path: text(&full),
            rel_path: text(self.path.as_bytes()),
            name: text(self.path.name()),
            path_b64: std::str::from_utf8(&full).is_err().then(|| STANDARD.encode(&full)),
            size: self.version.size,
            mtime: rfc3339_nanos(self.version.mtime),
            generation: self.generation,
            previous_id: self.previous.map(|id| id.to_string()),
            initial: self.initial,
        };
        Body::bytes("file.landed", self.committed_micros, data)
    }
}

fn rfc3339_micros(micros: i64) -> String {
    let time = Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{time:.6}")
}

/// A file can carry a year that RFC 3339 cannot (beyond 9999): it is shown as the nearest that it can.
fn rfc3339_nanos(stamp: Stamp) -> String {
    let nearest = if stamp.sec < 0 { Timestamp::MIN } else { Timestamp::MAX };
    let time = Timestamp::new(stamp.sec, i32::try_from(stamp.nsec).unwrap_or(0)).unwrap_or(nearest);
    format!("{time:.9}")
}

#[cfg(test)]
mod tests;
