//! Connections that die while they are idle, and the request that meets it.

use super::*;

/// Answers the first request of each connection. The second one meets its end: FIN, or RST, which is what
/// closing with unread bytes makes (RFC 9293 3.10.4).
fn dies_on_second(by_reset: bool) -> Receiver {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    thread::spawn(move || {
        for stream in listener.incoming() {
            count.fetch_add(1, Ordering::SeqCst);
            thread::spawn(move || {
                let stream = stream.unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                read_request(&mut reader).unwrap();
                (&stream).write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
                if by_reset {
                    stream.peek(&mut [0]).unwrap();
                } else {
                    read_request(&mut reader);
                }
            });
        }
    });
    Receiver { url, connections }
}

#[tokio::test]
async fn a_connection_that_ends_in_use_is_lost_and_a_fresh_one_is_not() {
    for by_reset in [false, true] {
        let receiver = dies_on_second(by_reset);
        let client = client(&receiver.url);
        // Two idle connections, so that a second try would find another dead one.
        let (one, two) = tokio::join!(post(&client), post(&client));
        assert_eq!((one.unwrap().status, two.unwrap().status), (200, 200));
        assert_eq!(post(&client).await.unwrap_err(), Fault::ConnectionLost);
        let before = receiver.connections();
        let again = client.post_afresh(headers(), Bytes::new()).await.unwrap();
        assert_eq!((again.status, receiver.connections()), (200, before + 1));
    }
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_is_not_used_again() {
    let receiver = Receiver::new(|stream, _| {
        let stream = stream.get_mut();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
        stream.shutdown(Shutdown::Both).unwrap();
    });
    let client = client(&receiver.url);
    for _ in 0..3 {
        assert_eq!(post(&client).await.unwrap().status, 200);
        // The client's own task notices the end of the connection.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(receiver.connections(), 3);
}
