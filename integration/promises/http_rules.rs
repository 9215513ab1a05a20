//! The pages are read-only, and no client keeps another from them.

use std::{
    io::{Read, Write},
    os::unix::fs::PermissionsExt,
};

use crate::harness::{Front, Receiver, Site, Watchd, front::get_unix, said};

const ANY_PORT: &str = "127.0.0.1:0";

fn start(receiver: &Receiver, site: &Site) -> (Watchd, Front) {
    let watchd = site.config(&receiver.url()).set("http", "listen", ANY_PORT).ready();
    let front = Front::of(&watchd);
    (watchd, front)
}

#[test]
fn only_get_and_head_are_answered_and_unknown_pages_are_not_found() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let (watchd, front) = start(&receiver, &site);
    for (page, kind) in [
        ("/", "text/html"),
        ("/health", "application/json"),
        ("/ready", "application/json"),
        ("/status", "application/json"),
        ("/metrics", "application/openmetrics-text; version=1.0.0"),
    ] {
        let get = front.get(page);
        assert_eq!(get.status, 200, "{page}: {}", get.text());
        assert!(get.header("content-type").unwrap().starts_with(kind), "{page}");
        assert_eq!(get.header("cache-control"), Some("no-store"));
        let head =
            |method| format!("{method} {page} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let asked = front.ask(&head("HEAD"));
        assert_eq!((asked.status, asked.body.len()), (200, 0), "HEAD {page}");
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"] {
            let asked = front.ask(&head(method));
            assert_eq!(asked.status, 405, "{method} {page}");
            assert_eq!(asked.header("allow"), Some("get,head"), "{method} {page}");
        }
    }
    for page in ["/nothing", "/health/", "/status/x", "/../etc/passwd", "/%2e%2e/etc/passwd"] {
        assert_eq!(front.get(page).status, 404, "{page}");
    }
    watchd.stop();
}

#[test]
fn a_head_without_end_and_a_head_that_is_no_http_are_cut() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let (watchd, front) = start(&receiver, &site);
    let endless = format!("GET /health HTTP/1.1\r\nX: {}", "x".repeat(200_000));
    let many = format!("GET /health HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(5000));
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(100_000));
    for request in [endless.as_str(), &many, &long, "\0\u{1}\u{2}\r\n\r\n", "GET / SPDY/9\r\n\r\n"]
    {
        let mut stream = front.connect();
        // It may be cut before all is sent.
        let _cut = stream.write_all(request.as_bytes());
        let mut answer = Vec::new();
        let _reset = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let refused = answer.is_empty() || answer.starts_with("HTTP/1.1 4");
        assert!(refused, "{answer}");
    }
    assert_eq!(front.get("/health").status, 200);
    watchd.stop();
}

#[test]
fn a_client_that_says_nothing_or_half_a_head_is_cut_in_the_end() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let (watchd, front) = start(&receiver, &site);
    let mut slow: Vec<_> = ["", "GET /health HTTP/1.1\r\nHost: a\r\n"]
        .map(|begin| {
            let mut stream = front.connect();
            stream.write_all(begin.as_bytes()).unwrap();
            stream
        })
        .into();
    let mut kept = front.connect();
    kept.write_all(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    slow.push(kept);
    for mut stream in slow {
        let mut rest = Vec::new();
        // Ends because the daemon closes, not because the read runs into its own limit.
        stream.read_to_end(&mut rest).unwrap();
    }
    watchd.stop();
}

#[test]
fn two_hundred_idle_connections_keep_nobody_from_being_answered() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let (watchd, front) = start(&receiver, &site);
    let idle: Vec<_> = (0..200)
        .map(|number| {
            let mut stream = front.connect();
            if number % 2 == 0 {
                stream.write_all(b"GET /health HT").unwrap();
            }
            stream
        })
        .collect();
    for _ in 0..20 {
        assert_eq!(front.get("/health").status, 200);
    }
    drop(idle);
    watchd.stop();
}

#[test]
fn a_unix_socket_serves_the_same_and_one_that_was_left_behind_is_replaced() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let socket = site.path("http.sock");
    let listen = format!("unix:{}", socket.display());
    let config = site.config(&receiver.url()).set("http", "listen", listen);
    for _ in 0..2 {
        let mut watchd = config.ready();
        crate::harness::front::listening(&watchd);
        assert_eq!(get_unix(&socket, "/health").status, 200);
        let mode = socket.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o660);
        watchd.kill9();
        assert!(socket.exists(), "nobody removed the file of a daemon that was killed");
    }
}

#[test]
fn a_port_that_is_taken_is_said_and_waited_for_and_costs_nothing_else() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let config = site.config(&receiver.url()).set("http", "listen", address.to_string());
    let watchd = config.ready();
    watchd.wait_for(said::CANNOT_LISTEN);
    let path = crate::harness::disk::create(&site.root(), "a");
    receiver.wait_for_paths(&[path]);
    drop(taken);
    assert_eq!(Front::of(&watchd).get("/health").status, 200);
    watchd.stop();
}

#[test]
fn who_has_asked_when_the_daemon_ends_is_answered() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let (watchd, front) = start(&receiver, &site);
    let asked: Vec<_> = (0..40)
        .map(|_| {
            let mut stream = front.connect();
            stream.write_all(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
            stream
        })
        .collect();
    watchd.signal("TERM");
    for mut stream in asked {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer:?}");
    }
    watchd.stop();
}
