//! A receiver that does as it is told byte by byte, and counts what it could get rid of. Many of them, each
//! worse than the other, are what `p11_every_hostile_receiver.rs` is about.

use std::{
    io::{BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::Duration,
};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::{
    RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::WebPkiClientVerifier,
};

use super::watched::Watched;

/// Never more of a request than this, and a peer that sends nothing is left after this long.
const REQUEST_LEN_MAX: usize = 256 * 1024;
const SILENCE_MAX: Duration = Duration::from_mins(1);

/// What became of the connections so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) connections: usize,
    /// Heads of requests that were read to their end.
    pub(crate) requests: usize,
    /// Bytes that the kernel took from us; some of them may never have been read.
    pub(crate) taken: usize,
}

pub(crate) struct Hostile {
    port: u16,
    tally: Arc<Watched<Tally>>,
}

/// One connection, from our side.
pub(crate) struct Visit {
    stream: TcpStream,
    /// The first is 1.
    pub(crate) number: usize,
    tally: Arc<Watched<Tally>>,
}

impl Hostile {
    /// Runs `script` on each connection, on a thread of its own, and closes it afterwards.
    pub(crate) fn new(script: impl Fn(&Visit) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let tally = Arc::new(Watched::<Tally>::default());
        let (counted, script) = (Arc::clone(&tally), Arc::new(script));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let number = counted.change(|tally| {
                    tally.connections += 1;
                    tally.connections
                });
                let (tally, script) = (Arc::clone(&counted), Arc::clone(&script));
                thread::spawn(move || {
                    drop(stream.set_nodelay(true));
                    drop(stream.set_read_timeout(Some(SILENCE_MAX)));
                    script(&Visit { stream, number, tally });
                });
            }
        });
        Self { port, tally }
    }

    /// Speaks TLS; a request that gets through is answered with 200.
    pub(crate) fn tls(config: ServerConfig) -> Self {
        let config = Arc::new(config);
        Self::new(move |visit| {
            let session = ServerConnection::new(Arc::clone(&config)).unwrap();
            let stream = StreamOwned::new(session, visit.stream.try_clone().unwrap());
            let mut stream = BufReader::new(stream);
            while read_request(&mut stream).is_some() {
                visit.tally.change(|tally| tally.requests += 1);
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
                if stream.get_mut().write_all(answer).is_err() {
                    return;
                }
            }
            visit.finish();
        })
    }

    pub(crate) fn url(&self, scheme: &str) -> String {
        format!("{scheme}://127.0.0.1:{}/hook", self.port)
    }

    pub(crate) fn tally(&self) -> Tally {
        self.tally.read(|tally| *tally)
    }
}

impl Visit {
    /// Reads a request with its body; `false` at the end of the connection.
    pub(crate) fn request(&self) -> bool {
        let got = read_request(&mut &self.stream).is_some();
        self.tally.change(|tally| tally.requests += usize::from(got));
        got
    }

    /// Reads the head of a request and leaves its body.
    pub(crate) fn head(&self) -> bool {
        let got = read_head(&mut &self.stream).is_some();
        self.tally.change(|tally| tally.requests += usize::from(got));
        got
    }

    /// Whether it was taken.
    pub(crate) fn send(&self, bytes: impl AsRef<[u8]>) -> bool {
        let mut stream = &self.stream;
        let mut left = bytes.as_ref();
        while let Ok(n @ 1..) = stream.write(left) {
            self.tally.change(|tally| tally.taken += n);
            left = &left[n..];
        }
        left.is_empty()
    }

    /// Sends the same bytes until nobody takes them any more.
    pub(crate) fn pour(&self, bytes: &[u8], pause: Duration) {
        while self.send(bytes) {
            if !pause.is_zero() {
                thread::park_timeout(pause);
            }
        }
    }

    /// Answers every request of the connection with these bytes.
    pub(crate) fn answer(&self, bytes: impl AsRef<[u8]>) {
        while self.request() && self.send(bytes.as_ref()) {}
    }

    /// Says nothing until the other side goes away.
    pub(crate) fn wait(&self) {
        drop(std::io::copy(&mut &self.stream, &mut std::io::sink()));
    }

    /// Closes our half and takes what is left, so that no RST overtakes what was sent.
    pub(crate) fn finish(&self) {
        drop(self.stream.shutdown(std::net::Shutdown::Write));
        self.wait();
    }

    /// Closes with RST as soon as something has arrived: unread bytes make one (RFC 9293 3.10.4).
    pub(crate) fn reset(&self) {
        drop(self.stream.peek(&mut [0]));
    }
}

/// Byte by byte, so that the rest stays where it is.
fn read_head(stream: &mut impl Read) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
        assert!(head.len() <= REQUEST_LEN_MAX, "a request without end");
    }
    Some(head)
}

fn read_request(stream: &mut impl Read) -> Option<()> {
    let head = String::from_utf8(read_head(stream)?).expect("a head is ASCII").to_ascii_lowercase();
    let length = head.split("\r\n").find_map(|line| line.strip_prefix("content-length:"))?;
    let mut body = vec![0; length.trim().parse().ok()?];
    stream.read_exact(&mut body).ok()
}

/// Makes certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    cert: CertificateDer<'static>,
    /// For `ca_file`.
    pub(crate) pem: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let cert = params.self_signed(&key).unwrap();
        Self { cert: cert.der().clone(), pem: cert.pem(), issuer: Issuer::new(params, key) }
    }

    /// A server for `name`, its certificate good between two years.
    pub(crate) fn server(&self, name: &str, years: (i32, i32)) -> ServerConfig {
        let (chain, key) = self.issue(name, years);
        builder().with_no_client_auth().with_single_cert(chain, key).unwrap()
    }

    /// A server for 127.0.0.1 that wants a client certificate from this authority.
    pub(crate) fn strict_server(&self) -> ServerConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.cert.clone()).unwrap();
        let builder = builder();
        let provider = Arc::clone(builder.crypto_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let verifier = verifier.build().unwrap();
        let (chain, key) = self.issue("127.0.0.1", (2001, 2999));
        builder.with_client_cert_verifier(verifier).with_single_cert(chain, key).unwrap()
    }

    /// A client's certificate and key, as PEM.
    pub(crate) fn client(&self) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(Vec::new()).unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        (cert.pem(), key.serialize_pem())
    }

    fn issue(
        &self,
        name: &str,
        years: (i32, i32),
    ) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(years.0, 1, 1);
        params.not_after = date_time_ymd(years.1, 1, 1);
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        (vec![cert.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
    }
}

/// A server that signed its certificate itself.
pub(crate) fn self_signed() -> ServerConfig {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let chain = vec![made.cert.der().clone()];
    builder().with_no_client_auth().with_single_cert(chain, key).unwrap()
}

fn builder() -> rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider);
    builder.with_safe_default_protocol_versions().expect("TLS 1.2 and 1.3")
}
