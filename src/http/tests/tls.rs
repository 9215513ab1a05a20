//! Certificates: a private CA, and what happens without it.

use super::*;

struct Authority {
    file: PathBuf,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    _dir: tempfile::TempDir,
}

fn authority() -> Authority {
    named_authority("one")
}

fn named_authority(name: &str) -> Authority {
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    let cert = params.self_signed(&key).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.pem");
    std::fs::write(&file, cert.pem()).unwrap();
    Authority { file, issuer: rcgen::Issuer::new(params, key), _dir: dir }
}

/// Speaks TLS with a certificate for `name`, answers 204.
fn tls_receiver(ca: &Authority, name: &str, expired: bool) -> String {
    install_provider();
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    if expired {
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    }
    let cert = params.signed_by(&key, &ca.issuer).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key.into())
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let session = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = BufReader::new(rustls::StreamOwned::new(session, stream.unwrap()));
            if read_request(&mut stream).is_some() {
                drop(stream.get_mut().write_all(b"HTTP/1.1 204 No Content\r\n\r\n"));
            }
        }
    });
    format!("https://127.0.0.1:{port}/hook")
}

#[tokio::test]
async fn a_private_ca_is_accepted_through_ca_file() {
    let ca = authority();
    let url = tls_receiver(&ca, "127.0.0.1", false);
    let client = client_with(&url, Duration::from_secs(5), Some(&ca.file)).unwrap();
    assert_eq!(post(&client).await.unwrap().status, 204);
}

#[tokio::test]
async fn bad_certificates_are_told_apart() {
    let (ca, other) = (authority(), named_authority("another"));
    let table = [
        (&other, "127.0.0.1", false, TlsFault::UnknownIssuer),
        (&ca, "elsewhere.example", false, TlsFault::WrongName),
        (&ca, "127.0.0.1", true, TlsFault::Expired),
    ];
    for (trusted, name, expired, want) in table {
        let url = tls_receiver(&ca, name, expired);
        let client = client_with(&url, Duration::from_secs(5), Some(&trusted.file)).unwrap();
        assert_eq!(post(&client).await.unwrap_err(), Fault::Tls(want));
    }
}

#[tokio::test]
async fn plain_http_on_a_tls_url_is_a_tls_fault() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
            thread::park_timeout(Duration::from_secs(1));
        }
    });
    let ca = authority();
    let client = client_with(&url, Duration::from_secs(5), Some(&ca.file)).unwrap();
    assert_eq!(post(&client).await.unwrap_err(), Fault::Tls(TlsFault::Handshake));
}

#[test]
fn what_is_missing_is_named() {
    let open = |ca: &Path| {
        client_with("https://example.net/", Duration::from_secs(1), Some(ca)).err().unwrap()
    };
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing.pem");
    assert!(matches!(open(&missing), OpenError::CaFile { why: io::ErrorKind::NotFound, .. }));
    let empty = dir.path().join("empty.pem");
    for content in ["", "not PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
    {
        std::fs::write(&empty, content).unwrap();
        assert!(matches!(open(&empty), OpenError::NoCertificate { .. }), "{content:?}");
    }
}

#[tokio::test]
async fn no_fault_shows_the_url() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for url in [format!("http://{free}/s3cret?k=s3cret"), format!("https://{free}/s3cret")] {
        let ca = authority();
        let client = client_with(&url, Duration::from_secs(1), Some(&ca.file)).unwrap();
        let fault = post(&client).await.unwrap_err();
        assert!(!format!("{fault} {fault:?}").contains("s3cret"));
    }
}
