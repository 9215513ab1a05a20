//! Through a proxy, and what is wrong with it.

use std::{io::Read, sync::Mutex};

use super::*;

/// A proxy that notes what it is asked first on each connection, and does with it as it is told.
struct Proxy {
    url: Url,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn new(serve: impl Fn(TcpStream, &str) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (noted, serve) = (Arc::clone(&asked), Arc::new(serve));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (noted, serve) = (Arc::clone(&noted), Arc::clone(&serve));
                thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    let Some(head) = read_head(&mut stream) else { return };
                    noted.lock().unwrap().push(head.lines().next().unwrap().to_owned());
                    serve(stream, &head);
                });
            }
        });
        Self { url, asked }
    }

    /// Answers with these bytes and closes.
    fn fixed(answer: &'static str) -> Self {
        Self::new(move |mut stream, _| drop(stream.write_all(answer.as_bytes())))
    }

    /// Opens tunnels.
    fn honest() -> Self {
        Self::new(|mut stream, head| {
            let target = head.split(' ').nth(1).unwrap();
            let far = TcpStream::connect(target).unwrap();
            stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
            let pump = |mut from: TcpStream, mut to: TcpStream| {
                drop(std::io::copy(&mut from, &mut to));
                drop(to.shutdown(Shutdown::Write));
            };
            let (there, back) = (far.try_clone().unwrap(), stream.try_clone().unwrap());
            thread::spawn(move || pump(far, back));
            pump(stream, there);
        })
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// Byte by byte, so that nothing of what follows is taken.
fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    Some(String::from_utf8(head).unwrap())
}

fn through(proxy: &Url, url: &str, ca_file: Option<&Path>) -> Client {
    let url = SecretUrl::parse(url).unwrap();
    Client::open(Settings { proxy: Some(proxy), ca_file, ..settings(&url) }).unwrap()
}

#[tokio::test]
async fn plain_http_is_asked_of_the_proxy_by_the_whole_url() {
    let proxy = Proxy::fixed("HTTP/1.1 204 No Content\r\n\r\n");
    let client = through(&proxy.url, "http://receiver.example:8080/hook?k=v", None);
    assert_eq!(post(&client).await.unwrap().status, 204);
    assert_eq!(proxy.asked(), ["POST http://receiver.example:8080/hook?k=v HTTP/1.1"]);
}

#[tokio::test]
async fn https_goes_through_a_tunnel_that_sees_host_and_port_only() {
    let ca = tls::authority();
    let url = tls::tls_receiver(&ca, "127.0.0.1", tls::Dated::Now);
    let proxy = Proxy::honest();
    let client = through(&proxy.url, &url, Some(&ca.file));
    assert_eq!(post(&client).await.unwrap().status, 204);
    let target = Url::parse(&url).unwrap();
    let want = format!("CONNECT 127.0.0.1:{} HTTP/1.1", target.port().unwrap());
    assert_eq!(proxy.asked(), [want]);
    let walk = client.walk().await;
    assert_eq!(walk.fault, None);
    let steps: Vec<_> = walk.steps.into_iter().map(|(step, _)| step).collect();
    assert!(
        matches!(steps.as_slice(), [Step::Connected(_), Step::Tunnelled, Step::Secured { .. }]),
        "{steps:?}"
    );
}

#[tokio::test]
async fn the_certificate_of_the_receiver_is_checked_through_the_tunnel() {
    let (ca, other) = (tls::authority(), tls::named_authority("another"));
    let url = tls::tls_receiver(&ca, "127.0.0.1", tls::Dated::Now);
    let proxy = Proxy::honest();
    let client = through(&proxy.url, &url, Some(&other.file));
    assert_eq!(post(&client).await.unwrap_err(), Fault::Tls(TlsFault::UnknownIssuer));
}

#[tokio::test]
async fn a_proxy_that_refuses_is_told_with_its_status() {
    let table = [
        ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", ProxyFault::Refused(407)),
        ("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", ProxyFault::Refused(401)),
        ("HTTP/1.0 403 Forbidden\r\n\r\nno", ProxyFault::Refused(403)),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", ProxyFault::Refused(502)),
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n", ProxyFault::NotHttp),
        ("", ProxyFault::Lost),
    ];
    let ca = tls::authority();
    for (answer, want) in table {
        let proxy = Proxy::fixed(answer);
        let client = through(&proxy.url, "https://receiver.example/hook", Some(&ca.file));
        assert_eq!(post(&client).await.unwrap_err(), Fault::Proxy(want), "{answer:?}");
        assert_eq!(client.walk().await.fault, Some(Fault::Proxy(want)), "{answer:?}");
    }
}

#[tokio::test]
async fn a_proxy_with_endless_headers_is_left() {
    let proxy = Proxy::new(|mut stream, _| {
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\n"));
        while stream.write_all(b"X-More: and more\r\n").is_ok() {}
    });
    let ca = tls::authority();
    let client = through(&proxy.url, "https://receiver.example/", Some(&ca.file));
    assert_eq!(post(&client).await.unwrap_err(), Fault::Proxy(ProxyFault::NotHttp));
}

#[tokio::test]
async fn a_proxy_that_cannot_be_reached_is_not_the_receivers_fault() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ca = tls::authority();
    let nobody = Url::parse(&format!("http://{free}/")).unwrap();
    let unnamed = Url::parse("http://no-such-proxy.invalid:3128/").unwrap();
    for url in ["http://receiver.example/", "https://receiver.example/"] {
        let fault = post(&through(&nobody, url, Some(&ca.file))).await.unwrap_err();
        assert_eq!(fault, Fault::Proxy(ProxyFault::Unreachable), "{url}");
        let fault = post(&through(&unnamed, url, Some(&ca.file))).await.unwrap_err();
        // Without any resolver (a build sandbox) it is this machine's fault, or the limit on connecting.
        let ours = matches!(fault, Fault::Local(_) | Fault::Proxy(ProxyFault::Unreachable));
        assert!(ours || fault == Fault::Proxy(ProxyFault::Dns), "{url}: {fault:?}");
    }
}

#[tokio::test]
async fn a_proxy_that_dies_in_the_middle_of_a_request_is_told_apart() {
    let ca = tls::authority();
    let dies_in_tunnel = Proxy::new(|mut stream, _| {
        stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
        stream.read_exact(&mut [0; 5]).unwrap();
    });
    let dies_in_request = Proxy::new(|stream, _| drop(stream));
    for (proxy, url) in [
        (&dies_in_tunnel, "https://receiver.example/"),
        (&dies_in_request, "http://receiver.example/"),
    ] {
        let client = through(&proxy.url, url, Some(&ca.file));
        let fault = post(&client).await.unwrap_err();
        assert_eq!(fault, Fault::Proxy(ProxyFault::Lost), "{url}");
        assert!(fault.is_lost());
    }
}

#[tokio::test]
async fn a_proxy_that_waits_for_the_receiver_is_not_blamed_for_it() {
    let ca = tls::authority();
    let proxy = Proxy::new(|mut stream, _| drop(stream.read(&mut [0])));
    let client = through(&proxy.url, "https://receiver.example/", Some(&ca.file));
    assert_eq!(post(&client).await.unwrap_err(), Fault::ConnectTimeout);
}

#[tokio::test]
async fn the_guard_sees_the_proxy_and_only_the_proxy() {
    let proxy = Proxy::fixed("HTTP/1.1 204 No Content\r\n\r\n");
    let metadata = SecretUrl::parse("http://169.254.169.254/").unwrap();
    let settings = Settings { proxy: Some(&proxy.url), ..settings(&metadata) };
    let client = Client::open(settings).unwrap();
    assert_eq!(post(&client).await.unwrap().status, 204);
    let strict = Client::open(Settings { deny_private: true, ..settings }).unwrap();
    assert_eq!(post(&strict).await.unwrap_err(), Fault::Blocked(Barred::Private));
}
