//! The receiver of the proofs in containers: answers 200 to every request and notes each in a file, once when
//! it is there and once when the answer is out. While the file `hold` exists, answers wait.
//!
//! `receiver DIR [CERTIFICATE KEY [CLIENT_CA]]`: port 8080; over TLS with a certificate; a client certificate
//! is required while the file of its issuer exists.

use std::{
    env, fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use rustls::{
    RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use serde_json::{Value, json};

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Larger than any request that watchd may send.
const BODY_LEN_MAX: usize = 256 * 1024;
const LOOK_AGAIN: Duration = Duration::from_millis(10);

fn main() -> Outcome<()> {
    let mut arguments = env::args_os().skip(1).map(PathBuf::from);
    let dir = arguments.next().ok_or("usage: receiver DIR [CERTIFICATE KEY [CLIENT_CA]]")?;
    let tls = match (arguments.next(), arguments.next()) {
        (Some(certificate), Some(key)) => {
            Some(Arc::new(server_config(&certificate, &key, arguments.next().as_deref())?))
        }
        _ => None,
    };
    let listener = TcpListener::bind(("0.0.0.0", 8080))?;
    for stream in listener.incoming() {
        let (stream, dir, tls) = (stream?, dir.clone(), tls.clone());
        thread::spawn(move || {
            if let Err(error) = serve(stream, &dir, tls) {
                eprintln!("{error}");
            }
        });
    }
    Ok(())
}

fn server_config(
    certificate: &Path,
    key: &Path,
    client_ca: Option<&Path>,
) -> Outcome<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    let builder = match client_ca.filter(|path| path.exists()) {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_file(path)?)?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build()?)
        }
    };
    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<_, _>>()?;
    Ok(builder.with_single_cert(chain, PrivateKeyDer::from_pem_file(key)?)?)
}

fn serve(stream: TcpStream, dir: &Path, tls: Option<Arc<ServerConfig>>) -> Outcome<()> {
    stream.set_nodelay(true)?;
    match tls {
        None => converse(stream, dir),
        Some(tls) => converse(StreamOwned::new(ServerConnection::new(tls)?, stream), dir),
    }
}

/// Takes requests and answers them until the other side goes away.
fn converse(stream: impl Read + Write, dir: &Path) -> Outcome<()> {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read_request(&mut stream)? {
        note(dir, "got", &request)?;
        while dir.join("hold").exists() {
            thread::park_timeout(LOOK_AGAIN);
        }
        stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?;
        stream.get_mut().flush()?;
        note(dir, "answered", &request)?;
    }
    Ok(())
}

/// `None` at the end of the connection.
fn read_request(stream: &mut impl BufRead) -> Outcome<Option<Value>> {
    let (mut id, mut attempt, mut length) = (String::new(), String::new(), 0);
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    loop {
        line.clear();
        if stream.read_line(&mut line)? == 0 {
            return Err("the connection ended within a request".into());
        }
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "webhook-id" => value.clone_into(&mut id),
            "watchd-attempt" => value.clone_into(&mut attempt),
            "content-length" => length = value.parse()?,
            _ => {}
        }
    }
    if length > BODY_LEN_MAX {
        return Err("the body is too long".into());
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    let event: Value = serde_json::from_slice(&body)?;
    let path = event.pointer("/data/path").cloned().unwrap_or_default();
    let body = String::from_utf8(body)?;
    Ok(Some(json!({ "id": id, "attempt": attempt, "path": path, "body": body })))
}

/// One line, by one write, so that it is there whole whatever happens to this container next.
fn note(dir: &Path, what: &str, request: &Value) -> io::Result<()> {
    let line = format!("{}\n", json!({ "what": what, "request": request }));
    fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(dir.join("requests"))?
        .write_all(line.as_bytes())
}
