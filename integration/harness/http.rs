//! One request as it came over the wire, and the ways to answer it. No HTTP library: a library would not
//! let the receiver misbehave.

use std::{io::Read, net::TcpStream, sync::Arc, thread, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;

use super::{PATIENCE, watched::Watched};

/// Larger than any request that watchd may send.
const REQUEST_LEN_MAX: usize = 256 * 1024;

pub(crate) struct Request {
    pub(crate) connection: usize,
    pub(crate) unix_seconds: i64,
    /// The request line, for example `POST /hook HTTP/1.1`.
    pub(crate) line: String,
    /// Names in lower case, in the order of the wire.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) json: Value,
    /// The raw bytes of the path that the body announces.
    pub(crate) path: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn id(&self) -> &str {
        self.header("webhook-id").unwrap_or_default()
    }

    pub(crate) fn attempt(&self) -> u32 {
        self.header("watchd-attempt").and_then(|text| text.parse().ok()).unwrap_or_default()
    }

    pub(crate) fn data(&self, key: &str) -> &Value {
        &self.json["data"][key]
    }

    pub(crate) fn is_of(&self, name: &str) -> bool {
        self.path.ends_with(name.as_bytes())
    }

    pub(super) fn parse(connection: usize, head: &[u8], body: Vec<u8>) -> Self {
        let head = String::from_utf8_lossy(head);
        let mut lines = head.split("\r\n").filter(|line| !line.is_empty());
        let line = lines.next().unwrap_or_default().to_owned();
        let header = |line: &str| {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            (name.to_ascii_lowercase(), value.trim().to_owned())
        };
        let json: Value = serde_json::from_slice(&body).unwrap_or_default();
        // In the binary mode of CloudEvents the body is the data alone.
        let path = announced_path(json.get("data").unwrap_or(&json));
        Self {
            connection,
            unix_seconds: super::clock::unix_seconds(),
            headers: lines.map(header).collect(),
            line,
            body,
            json,
            path,
        }
    }
}

fn announced_path(data: &Value) -> Vec<u8> {
    match data["path_b64"].as_str() {
        Some(encoded) => BASE64_STANDARD.decode(encoded).expect("path_b64 is base64"),
        None => data["path"].as_str().unwrap_or_default().as_bytes().to_vec(),
    }
}

pub(crate) enum Reply {
    Status(u16),
    /// A status with extra header lines, each ending in CRLF.
    Headers(u16, String),
    /// The status, once the gate is open.
    Held(Gate, u16),
    /// These bytes, once the gate is open; then end of file.
    HeldRaw(Gate, Vec<u8>),
    /// The status after so long. What is held for the request is dropped just before the answer.
    Slow(Duration, u16, Box<dyn std::any::Any + Send>),
    /// Never a byte, until the sender goes away.
    Never,
    /// End of file in place of an answer.
    Close,
    /// RST in place of an answer.
    Reset,
    /// These bytes, then end of file.
    Raw(Vec<u8>),
    /// 200, then one byte of the body at a time, for ever.
    Trickle,
    /// 200, then a body without end, as fast as it is taken.
    Endless,
}

/// Closed until a test opens it.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<Watched<bool>>);

impl Gate {
    pub(crate) fn open(&self) {
        self.0.change(|open| *open = true);
    }

    pub(super) fn pass(&self) {
        self.0.wait(PATIENCE * 2, |open| open.then_some(()));
    }
}

/// A complete request that still waits in the socket's buffer, so that closing now resets the connection.
pub(super) struct Waiting {
    bytes: Vec<u8>,
    head_len: usize,
}

impl Waiting {
    /// `None` at the end of the connection.
    pub(super) fn peek(stream: &TcpStream, buffer: &mut [u8]) -> Option<Self> {
        loop {
            let n = stream.peek(buffer).ok().filter(|n| *n > 0)?;
            let bytes = &buffer[..n];
            if let Some(head_len) = head_len(bytes) {
                let len = head_len + content_len(&bytes[..head_len]);
                assert!(len <= REQUEST_LEN_MAX, "a request of {len} bytes");
                if n >= len {
                    return Some(Self { bytes: bytes[..len].to_vec(), head_len });
                }
            }
            thread::park_timeout(Duration::from_millis(1));
        }
    }

    pub(super) fn buffer() -> Vec<u8> {
        vec![0; REQUEST_LEN_MAX]
    }

    pub(super) fn request(&self, connection: usize) -> Request {
        let (head, body) = self.bytes.split_at(self.head_len);
        Request::parse(connection, head, body.to_vec())
    }

    pub(super) fn take(&self, mut stream: &TcpStream, buffer: &mut [u8]) {
        drop(stream.read_exact(&mut buffer[..self.bytes.len()]));
    }
}

fn head_len(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

fn content_len(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let value = head.split("\r\n").find_map(|line| line.strip_prefix("content-length:"));
    value.and_then(|text| text.trim().parse().ok()).unwrap_or_default()
}
