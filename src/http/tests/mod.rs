//! Against a receiver on loopback that misbehaves as told. Real sockets, so real time.

use std::{
    io::{BufRead, BufReader, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use super::{
    answer::{HEADER_LEN_MAX, RETRY_AFTER_LINES_MAX},
    *,
};
use crate::clock::mono;

mod keep_alive;
mod names;
mod proxy;
mod tls;
mod whole;

/// A receiver that runs `answer` with each connection's first request, on a thread of its own.
struct Receiver {
    url: String,
    connections: Arc<AtomicUsize>,
}

impl Receiver {
    fn new(answer: impl Fn(&mut BufReader<TcpStream>, String) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook/s3cret?key=s3cret", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let (count, answer) = (Arc::clone(&connections), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming() {
                count.fetch_add(1, Ordering::SeqCst);
                let answer = Arc::clone(&answer);
                thread::spawn(move || {
                    let mut stream = BufReader::new(stream.unwrap());
                    while let Some(request) = read_request(&mut stream) {
                        answer(&mut stream, request);
                    }
                });
            }
        });
        Self { url, connections }
    }

    /// Answers every request with these bytes.
    fn fixed(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::new(move |stream, _| drop(stream.get_mut().write_all(&answer)))
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Headers and body as text; `None` at the end of the connection.
fn read_request(stream: &mut impl BufRead) -> Option<String> {
    let (mut text, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).unwrap_or(0) == 0 {
            return None;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        text.push_str(&line);
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(text + &String::from_utf8(body).unwrap())
}

fn settings(url: &SecretUrl) -> Settings<'_> {
    let connect_timeout = Duration::from_millis(500);
    Settings { connect_timeout, connections: 2, ..Settings::direct(url, Duration::from_secs(1)) }
}

fn client(url: &str) -> Client {
    Client::open(settings(&SecretUrl::parse(url).unwrap())).unwrap()
}

fn headers() -> HeaderMap {
    HeaderMap::from_iter([(
        HeaderName::from_static("webhook-id"),
        HeaderValue::from_static("evt_1"),
    )])
}

async fn post(client: &Client) -> Result<Reply, Fault> {
    client.post(headers(), Bytes::from_static(b"{\"a\":1}")).await
}

async fn post_to(receiver: &Receiver) -> Result<Reply, Fault> {
    post(&client(&receiver.url)).await
}

fn ms_since(start: Instant) -> u128 {
    mono().duration_since(start).as_millis()
}

#[tokio::test]
async fn the_request_is_what_was_asked_for() {
    let (sender, requests) = std::sync::mpsc::sync_channel(1);
    let receiver = Receiver::new(move |stream, request| {
        sender.send(request).unwrap();
        stream.get_mut().write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    });
    let reply = post_to(&receiver).await.unwrap();
    assert_eq!(reply.status, 204);
    assert!(reply.rest.is_none());
    let request = requests.recv().unwrap();
    assert!(request.starts_with("POST /hook/s3cret?key=s3cret HTTP/1.1\r\n"), "{request}");
    for want in ["webhook-id: evt_1\r\n", "content-length: 7\r\n", "\r\n\r\n{\"a\":1}"] {
        assert!(request.contains(want), "{want:?} in {request}");
    }
    for never in ["accept-encoding", "referer", "transfer-encoding"] {
        assert!(!request.contains(never), "{never:?} in {request}");
    }
}

#[tokio::test]
async fn connections_are_used_again() {
    let receiver = Receiver::fixed("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let client = client(&receiver.url);
    for _ in 0..5 {
        let reply = post(&client).await.unwrap();
        if let Some(rest) = reply.rest {
            rest.await;
        }
    }
    assert_eq!(receiver.connections(), 1);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_the_trap_stays_empty() {
    let trap = Receiver::fixed("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    for status in [301, 302, 303, 307, 308] {
        let answer = format!(
            "HTTP/1.1 {status} Moved\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n",
            trap.url
        );
        let reply = post_to(&Receiver::fixed(answer)).await.unwrap();
        assert_eq!(reply.status, status);
        assert_eq!(reply.location.as_deref(), Some(trap.url.as_bytes()));
    }
    assert_eq!(trap.connections(), 0);
}

#[tokio::test]
async fn a_trickled_body_does_not_hold_up_a_success() {
    let receiver = Receiver::new(|stream, _| {
        let stream = stream.get_mut();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n").unwrap();
        while stream.write_all(b"x").is_ok() {
            thread::park_timeout(Duration::from_millis(50));
        }
    });
    let start = mono();
    let reply = post_to(&receiver).await.unwrap();
    assert_eq!(reply.status, 200);
    assert!(ms_since(start) < 1000, "verdict after {} ms", ms_since(start));
    reply.rest.expect("still on its way").await;
    assert!((1900..3500).contains(&ms_since(start)), "ended after {} ms", ms_since(start));
}

#[tokio::test]
async fn a_trickled_error_body_costs_two_seconds_and_keeps_what_came() {
    let receiver = Receiver::new(|stream, _| {
        let stream = stream.get_mut();
        stream.write_all(b"HTTP/1.1 500 No\r\nContent-Length: 100000\r\n\r\nwhy ").unwrap();
        while stream.write_all(b"x").is_ok() {
            thread::park_timeout(Duration::from_millis(50));
        }
    });
    let start = mono();
    let reply = post_to(&receiver).await.unwrap();
    assert!((1900..3500).contains(&ms_since(start)), "{} ms", ms_since(start));
    assert_eq!(reply.status, 500);
    assert!(reply.excerpt.starts_with(b"why x"));
}

#[tokio::test]
async fn an_endless_body_is_cut_and_the_connection_closed() {
    let (sender, closed) = std::sync::mpsc::sync_channel(1);
    let receiver = Receiver::new(move |stream, _| {
        let stream = stream.get_mut();
        stream.write_all(b"HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
        while stream.write_all(b"400\r\n").is_ok()
            && stream.write_all(&[b'x'; 0x400]).is_ok()
            && stream.write_all(b"\r\n").is_ok()
        {}
        sender.try_send(()).unwrap_or_default();
    });
    let start = mono();
    let reply = post_to(&receiver).await.unwrap();
    assert_eq!((reply.status, reply.excerpt.len()), (503, EXCERPT_LEN_MAX));
    assert!(ms_since(start) < 1500);
    tokio::task::spawn_blocking(move || closed.recv_timeout(Duration::from_secs(5)))
        .await
        .unwrap()
        .expect("the connection was closed");
}

#[tokio::test]
async fn a_body_that_breaks_off_changes_nothing() {
    for status in [200, 400] {
        let receiver = Receiver::new(move |stream, _| {
            let head = format!("HTTP/1.1 {status} X\r\nContent-Length: 100\r\n\r\npart");
            stream.get_mut().write_all(head.as_bytes()).unwrap();
            stream.get_mut().shutdown(Shutdown::Both).unwrap();
        });
        let reply = post_to(&receiver).await.unwrap();
        assert_eq!(reply.status, status);
        if let Some(rest) = reply.rest {
            rest.await;
        }
    }
}

#[tokio::test]
async fn a_success_keeps_no_body() {
    let receiver = Receiver::fixed("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes");
    assert_eq!(post_to(&receiver).await.unwrap().excerpt, b"");
}

#[tokio::test]
async fn headers_are_kept_within_limits() {
    let many = "Retry-After: 7\r\n".repeat(20);
    let long = "x".repeat(5000);
    let answer = format!(
        "HTTP/1.1 503 No\r\n{many}Location: {long}\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 0\r\n\r\n"
    );
    let reply = post_to(&Receiver::fixed(answer)).await.unwrap();
    assert_eq!(reply.retry_after, vec![b"7".to_vec(); RETRY_AFTER_LINES_MAX]);
    assert_eq!(reply.location.map(|l| l.len()), Some(HEADER_LEN_MAX));
    assert_eq!(reply.date.as_deref(), Some(b"Sun, 06 Nov 1994 08:49:37 GMT".as_slice()));
}

/// The library's limit is about 400 KiB and cannot be set: larger heads are a protocol fault, smaller
/// ones are read and thrown away.
#[tokio::test]
async fn huge_headers() {
    let head = |len: usize| {
        let lines = format!("X-Pad: {}\r\n", "x".repeat(len / 64)).repeat(64);
        format!("HTTP/1.1 200 OK\r\n{lines}Content-Length: 0\r\n\r\n")
    };
    assert_eq!(post_to(&Receiver::fixed(head(64 * 1024))).await.unwrap().status, 200);
    let huge = post_to(&Receiver::fixed(head(1024 * 1024))).await;
    assert_eq!(huge.unwrap_err(), Fault::Protocol);
    let many = "A: b\r\n".repeat(200);
    let many = post_to(&Receiver::fixed(format!("HTTP/1.1 200 OK\r\n{many}\r\n"))).await;
    assert_eq!(many.unwrap_err(), Fault::Protocol);
}

#[tokio::test]
async fn garbage_is_a_protocol_fault() {
    for garbage in
        ["SSH-2.0-OpenSSH_9.2\r\n", "\0\0\0\0\0\0\0\0\r\n\r\n", "HTTP/1.1 abc OK\r\n\r\n"]
    {
        let fault = post_to(&Receiver::fixed(garbage)).await.unwrap_err();
        assert_eq!(fault, Fault::Protocol, "{garbage:?}");
    }
}

#[tokio::test]
async fn closed_before_an_answer_is_a_lost_connection() {
    let receiver = Receiver::new(|stream, _| stream.get_mut().shutdown(Shutdown::Both).unwrap());
    assert_eq!(post_to(&receiver).await.unwrap_err(), Fault::ConnectionLost);
}

#[tokio::test]
async fn slow_headers_time_out() {
    let dribble = Receiver::new(|stream, _| {
        stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nX: ").unwrap();
        while stream.get_mut().write_all(b"y").is_ok() {
            thread::park_timeout(Duration::from_millis(50));
        }
    });
    let silent = Receiver::new(|_, _| thread::park_timeout(Duration::from_secs(10)));
    let start = mono();
    for receiver in [dribble, silent] {
        assert_eq!(post_to(&receiver).await.unwrap_err(), Fault::Timeout);
    }
    assert!(ms_since(start) < 4000);
}

#[tokio::test]
async fn nobody_listens() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let fault = post(&client(&format!("http://{free}/"))).await.unwrap_err();
    assert_eq!(fault, Fault::Refused);
}

#[tokio::test]
async fn a_name_that_does_not_exist() {
    let fault = post(&client("http://no-such-host.invalid/")).await.unwrap_err();
    // Without any resolver (a build sandbox) it is this machine's fault, or the limit on connecting.
    assert!(matches!(fault, Fault::Dns | Fault::Local(_) | Fault::ConnectTimeout), "{fault:?}");
}
