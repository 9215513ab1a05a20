//! Asks the daemon's pages as a browser, a scraper or an attacker would: by raw sockets.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    path::Path,
};

use serde_json::Value;

use super::{
    PATIENCE, Watchd,
    clock::wait_until,
    log::{Line, said},
};

/// Where a daemon serves its pages.
#[derive(Clone, Copy)]
pub(crate) struct Front(pub(crate) SocketAddr);

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// What the daemon says when the public listener is there; the control socket is another.
pub(crate) fn listening(watchd: &Watchd) -> Line {
    let is_public = |line: &Line| line.field("part").as_deref() == Some("http");
    watchd.wait_for_log("the public listener", |line| line.says(said::LISTENING) && is_public(line))
}

impl Front {
    /// Of a daemon whose `http.listen` is a TCP address.
    pub(crate) fn of(watchd: &Watchd) -> Self {
        Self(listening(watchd).field("address").unwrap().parse().unwrap())
    }

    pub(crate) fn connect(self) -> TcpStream {
        let stream = TcpStream::connect(self.0).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    pub(crate) fn get(self, path: &str) -> Answer {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"))
    }

    pub(crate) fn ask(self, request: &str) -> Answer {
        ask(self.connect(), request)
    }

    /// `/status`, when it has come to satisfy `wanted`.
    pub(crate) fn status_when(self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.json_when("/status", what, wanted)
    }

    pub(crate) fn json_when(
        self,
        path: &str,
        what: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        let mut last = Value::Null;
        wait_until(what, || {
            last = self.get(path).json();
            wanted(&last)
        });
        last
    }
}

pub(crate) fn get_unix(socket: &Path, path: &str) -> Answer {
    let stream = UnixStream::connect(socket).unwrap();
    ask(stream, &format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"))
}

/// Sends a request that ends the connection, and reads the answer to its end.
fn ask(mut stream: impl Read + Write, request: &str) -> Answer {
    stream.write_all(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    Answer::parse(&bytes)
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no answer: {:?}", String::from_utf8_lossy(bytes)));
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap();
        Self { status, head: head.to_lowercase(), body: bytes[end + 4..].to_vec() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let line = self.head.lines().find_map(|line| line.strip_prefix(&format!("{name}:")))?;
        Some(line.trim())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}
