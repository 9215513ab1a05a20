//! The daemon's question to itself: does `/health` answer, by the way that everybody else asks?
//!
//! It speaks plain HTTP over a socket of its own. The client for deliveries would follow their rules about
//! addresses and TLS, and could be what is broken.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpStream, UnixStream},
    time::timeout,
};

use crate::http::status_of;

/// How long an answer may take. It is made from numbers that are there, on a thread that does nothing else.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// More than this is read of no answer.
const ANSWER_LEN_MAX: u64 = 64 * 1024;

const QUESTION: &[u8] =
    b"GET /health HTTP/1.1\r\nhost: localhost\r\nuser-agent: watchd-self-check\r\nconnection: close\r\n\r\n";

/// Where to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Over the loopback, or at the address that is listened on.
    Tcp(SocketAddr),
    /// At this path.
    Unix(PathBuf),
}

impl Target {
    /// The way to a listener at this address; the one for every address is asked over the loopback.
    pub fn of(listening: SocketAddr) -> Self {
        let ip = match listening.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        let mut target = listening;
        target.set_ip(ip);
        Self::Tcp(target)
    }
}

/// Why an answer was none.
#[derive(Debug, thiserror::Error)]
pub enum Unwell {
    /// The connection did not come about, or broke.
    #[error("no answer: {0}")]
    Silent(io::Error),
    /// Nothing came in time.
    #[error("no answer within {} s", ANSWER_LIMIT.as_secs())]
    Late,
    /// It answered that it is not well.
    #[error("it answered {0}")]
    Status(u16),
    /// Somebody else answered.
    #[error("what answered does not speak HTTP")]
    NotHttp,
}

/// Asks once.
pub async fn ask(target: &Target) -> Result<(), Unwell> {
    let status = timeout(ANSWER_LIMIT, answer(target)).await.map_err(|_| Unwell::Late)?;
    match status.map_err(Unwell::Silent)? {
        Some(200) => Ok(()),
        Some(status) => Err(Unwell::Status(status)),
        None => Err(Unwell::NotHttp),
    }
}

async fn answer(target: &Target) -> io::Result<Option<u16>> {
    match target {
        Target::Tcp(address) => converse(TcpStream::connect(address).await?).await,
        Target::Unix(path) => converse(UnixStream::connect(path).await?).await,
    }
}

async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<Option<u16>> {
    stream.write_all(QUESTION).await?;
    let mut said = Vec::new();
    // To its end: a connection that is closed too early is logged as an error by some servers.
    stream.take(ANSWER_LEN_MAX).read_to_end(&mut said).await?;
    Ok(status_of(&said))
}

/// Counts what came back. Pure.
#[derive(Clone, Copy, Debug)]
pub struct Tally {
    limit: u32,
    in_a_row: u32,
}

impl Tally {
    /// For so many failures in a row.
    pub fn new(limit: u32) -> Self {
        Self { limit, in_a_row: 0 }
    }

    /// How many failures in a row there were.
    pub fn in_a_row(self) -> u32 {
        self.in_a_row
    }

    /// Takes an outcome; true when the limit is reached.
    pub fn took(&mut self, is_well: bool) -> bool {
        self.in_a_row = if is_well { 0 } else { self.in_a_row.saturating_add(1) };
        self.in_a_row >= self.limit
    }
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, os::unix::net::UnixListener};

    use super::*;

    #[test]
    fn only_failures_in_a_row_count() {
        for (limit, outcomes, expected) in [
            (3, "xxx", vec![2]),
            (3, "xx.xx.xxx", vec![8]),
            (1, "..x", vec![2]),
            (2, "....", vec![]),
            (2, "xxx", vec![1, 2]),
        ] {
            let mut tally = Tally::new(limit);
            let reached: Vec<usize> = outcomes
                .bytes()
                .map(|o| tally.took(o == b'.'))
                .enumerate()
                .filter(|(_, r)| *r)
                .map(|(at, _)| at)
                .collect();
            assert_eq!(reached, expected, "{limit} {outcomes}");
        }
    }

    #[test]
    fn a_listener_for_every_address_is_asked_over_the_loopback() {
        for (listening, asked) in [
            ("0.0.0.0:80", "127.0.0.1:80"),
            ("[::]:80", "[::1]:80"),
            ("192.0.2.1:80", "192.0.2.1:80"),
            ("127.0.0.1:1", "127.0.0.1:1"),
        ] {
            assert_eq!(Target::of(listening.parse().unwrap()), Target::Tcp(asked.parse().unwrap()));
        }
    }

    /// Answers one question with `answer`.
    fn answering(mut stream: impl io::Read + io::Write, answer: &str) {
        let mut question = [0; 1024];
        let read = stream.read(&mut question).unwrap();
        assert!(question[..read].starts_with(b"GET /health HTTP/1.1\r\n"));
        stream.write_all(answer.as_bytes()).unwrap();
    }

    #[tokio::test]
    async fn what_answers_200_is_well_and_nothing_else_is() {
        for (answer, expected) in [
            ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", None),
            ("HTTP/1.1 503 Service Unavailable\r\n\r\n", Some("it answered 503")),
            ("220 mail.example.net ESMTP", Some("does not speak HTTP")),
            ("", Some("does not speak HTTP")),
        ] {
            let server = TcpListener::bind("127.0.0.1:0").unwrap();
            let target = Target::of(server.local_addr().unwrap());
            let thread = std::thread::spawn(move || answering(server.accept().unwrap().0, answer));
            let said = ask(&target).await.err().map(|e| e.to_string());
            thread.join().unwrap();
            match (expected, &said) {
                (Some(expected), Some(said)) => assert!(said.contains(expected), "{said}"),
                (None, None) => {}
                _ => panic!("{answer:?}: {said:?}"),
            }
        }
    }

    #[tokio::test]
    async fn a_unix_socket_is_asked_the_same_way_and_a_closed_port_is_no_answer() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("http.sock");
        let server = UnixListener::bind(&path).unwrap();
        let thread = std::thread::spawn(move || {
            answering(server.accept().unwrap().0, "HTTP/1.1 200 OK\r\n\r\n");
        });
        ask(&Target::Unix(path.clone())).await.unwrap();
        thread.join().unwrap();
        assert!(matches!(ask(&Target::Unix(path)).await, Err(Unwell::Silent(_))));
    }
}
