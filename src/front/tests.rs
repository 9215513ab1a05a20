//! The end: who has asked is answered, and nobody keeps the daemon.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use axum::routing::get;
use tokio::sync::Semaphore;

use super::*;

const REQUEST: &[u8] = b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n";

/// Answers when `gate` is open, and says on `asked` when somebody waits for that.
struct Held {
    handle: Handle,
    at: std::net::SocketAddr,
    gate: Arc<Semaphore>,
    asked: Arc<Semaphore>,
}

async fn held() -> Held {
    let (gate, asked) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (opens, tells) = (Arc::clone(&gate), Arc::clone(&asked));
    let answer = async move || {
        tells.add_permits(1);
        drop(opens.acquire().await);
        "here"
    };
    let at = Address::Tcp("127.0.0.1:0".parse().unwrap());
    let service = Service {
        part: "http",
        place: Place::Own { at, mode: 0o600 },
        router: Router::new().route("/held", get(answer)),
        answer_within: Duration::from_mins(1),
        admits: |_| true,
    };
    let board = Arc::new(Board::new(clock::mono(), clock::wall()));
    let handle = start(vec![service], &board).unwrap();
    let mut listening = handle.address(0).unwrap();
    let found = listening.wait_for(Option::is_some).await.unwrap().clone();
    let Some(Address::Tcp(at)) = found else { panic!("{found:?}") };
    Held { handle, at, gate, asked }
}

fn read_all(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test]
async fn who_has_asked_when_the_daemon_ends_is_answered() {
    let Held { handle, at, gate, asked } = held().await;
    let mut waits = TcpStream::connect(at).unwrap();
    waits.write_all(REQUEST).unwrap();
    drop(asked.acquire().await);
    // Connected and asked, and not yet taken by anybody.
    let comes: Vec<_> = (0..20)
        .map(|_| {
            let mut stream = TcpStream::connect(at).unwrap();
            stream.write_all(REQUEST).unwrap();
            stream
        })
        .collect();
    let ends = tokio::spawn(async move { handle.close().await });
    gate.add_permits(1000);
    for stream in [waits].into_iter().chain(comes) {
        let answer = tokio::task::spawn_blocking(|| read_all(stream)).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("here"), "{answer}");
    }
    ends.await.unwrap();
    assert!(TcpStream::connect(at).is_err(), "nobody is let in any more");
}

#[tokio::test]
async fn who_says_nothing_or_gets_no_answer_does_not_keep_the_daemon() {
    let Held { handle, at, asked, .. } = held().await;
    let silent = TcpStream::connect(at).unwrap();
    let mut waits = TcpStream::connect(at).unwrap();
    waits.write_all(REQUEST).unwrap();
    drop(asked.acquire().await);
    let began = clock::mono();
    handle.close().await;
    assert!(clock::mono() - began >= CLOSE_LIMIT, "it was waited for");
    for stream in [silent, waits] {
        let answer = tokio::task::spawn_blocking(|| read_all(stream)).await.unwrap();
        assert_eq!(answer, "", "cut");
    }
}
