//! The lane with the real client over loopback: real sockets, so real time.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener},
    sync::mpsc,
    thread,
};

use super::{fakes::Fake, *};
use crate::config::checked::{SecretUrl, UrlSource};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Answers 204 to everything and hands on each request's head.
fn receiver() -> (SocketAddr, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, heads) = mpsc::sync_channel(10_000);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let sender = sender.clone();
            thread::spawn(move || {
                let mut stream = BufReader::new(stream.unwrap());
                let mut head = String::new();
                while stream.read_line(&mut head).unwrap_or(0) > 0 {
                    if head.ends_with("\r\n\r\n") {
                        stream.read_exact(&mut [0; 2]).unwrap();
                        stream.get_mut().write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
                        sender.send(std::mem::take(&mut head)).unwrap();
                    }
                }
            });
        }
    });
    (address, heads)
}

async fn until(what: impl Fn() -> bool) {
    for _ in 0..2000 {
        if what() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("not within ten seconds");
}

#[tokio::test]
async fn files_are_read_and_signed_requests_arrive() {
    let (address, heads) = receiver();
    let dir = tempfile::tempdir().unwrap();
    let (url, secret) = (dir.path().join("url"), dir.path().join("secret"));
    std::fs::write(&url, format!("http://{address}/hook/T0KEN\n")).unwrap();
    std::fs::write(&secret, format!("{SECRET}\n")).unwrap();
    let endpoint = Endpoint { url: UrlSource::File(url), secret_files: vec![secret], ..endpoint() };

    let outbox = Fake::with(300);
    let vitals = Arc::<LaneVitals>::default();
    let (stop, told) = orders();
    let lane = tokio::spawn(run_lane(
        endpoint,
        outbox.clone(),
        Arc::clone(&vitals),
        Notices::default(),
        told,
    ));
    until(|| outbox.lock().delivered.len() == 300).await;
    stop.send_replace(Stop::Drain);
    assert_eq!(lane.await.unwrap(), LaneSummary { delivered: 300, cut: 0 });
    assert_eq!(vitals.state(), LaneState::Stopped);

    let heads: Vec<String> = heads.try_iter().collect();
    assert_eq!(heads.len(), 300);
    for head in heads {
        assert!(head.starts_with("POST /hook/T0KEN HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("\r\nwebhook-signature: v1,"), "{head}");
        assert!(head.contains("\r\nwatchd-attempt: 1\r\n"), "{head}");
    }
}

#[tokio::test]
async fn a_url_file_that_comes_later_is_found() {
    let (_stop, mut told) = orders();
    let dir = tempfile::tempdir().unwrap();
    let url = dir.path().join("url");
    let endpoint = Endpoint { url: UrlSource::File(url.clone()), ..endpoint() };
    assert!(matches!(open(&endpoint), Err(OpenError::File { .. })));
    std::fs::write(&url, "ftp://example.net").unwrap();
    assert!(matches!(open(&endpoint), Err(OpenError::Url { .. })));
    std::fs::write(&url, "http://127.0.0.1:9/T0KEN").unwrap();
    let opened = open_lane(
        &Arc::new(endpoint),
        (&LaneVitals::default(), &Notices::default()),
        &mut told,
        open,
    )
    .await;
    let parsed = SecretUrl::parse("http://127.0.0.1:9/T0KEN").unwrap();
    assert_eq!(opened.unwrap().terms.print, print_of(&parsed));
}
