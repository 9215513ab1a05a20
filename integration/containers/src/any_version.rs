//! `any-version SOCKET ENGINE_SOCKET`: lets a client of Docker's API talk to an engine that is older than it.
//!
//! bollard asks for the newest version of the API that it knows (`/v1.53/...`), without a way to say another one
//! through testcontainers, and an older engine refuses what is "too new". A path without a version means the
//! engine's own newest, so that is what this asks for. Everything else passes as it is.

use std::{
    env, fs,
    io::{self, Read, Write},
    net::Shutdown,
    os::unix::net::{UnixListener, UnixStream},
    thread,
};

const HEAD_LEN_MAX: usize = 64 * 1024;

fn main() -> io::Result<()> {
    let mut arguments = env::args_os().skip(1);
    let (Some(own), Some(engine)) = (arguments.next(), arguments.next()) else {
        return Err(io::Error::other("usage: any-version SOCKET ENGINE_SOCKET"));
    };
    drop(fs::remove_file(&own));
    for client in UnixListener::bind(own)?.incoming() {
        let (client, engine) = (client?, engine.clone());
        thread::spawn(move || {
            let passed = UnixStream::connect(engine).and_then(|engine| pass(client, engine));
            if let Err(error) = passed {
                eprintln!("any-version: {error}");
            }
        });
    }
    Ok(())
}

/// One request and its answer. `Connection: close` in both directions keeps it at one, so that nothing but the
/// first head has to be understood.
fn pass(mut client: UnixStream, mut engine: UnixStream) -> io::Result<()> {
    let Some((head, rest)) = read_head(&mut client)? else { return Ok(()) };
    engine.write_all(translated(&head).as_bytes())?;
    engine.write_all(&rest)?;
    let (mut from, mut to) = (client.try_clone()?, engine.try_clone()?);
    thread::spawn(move || {
        // The client's end of file is the end of its request, not of the answer.
        drop(io::copy(&mut from, &mut to));
        drop(to.shutdown(Shutdown::Write));
    });
    io::copy(&mut engine, &mut client)?;
    client.shutdown(Shutdown::Both)
}

/// The first head, and what came with it; `None` when the client said nothing.
fn read_head(client: &mut UnixStream) -> io::Result<Option<(String, Vec<u8>)>> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 8192];
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let rest = bytes.split_off(end);
            return Ok(Some((String::from_utf8_lossy(&bytes).into_owned(), rest)));
        }
        let n = client.read(&mut chunk)?;
        if n == 0 || bytes.len() > HEAD_LEN_MAX {
            return Ok(None);
        }
        bytes.extend(chunk.iter().take(n));
    }
}

fn translated(head: &str) -> String {
    let (line, headers) = head.split_once("\r\n").unwrap_or((head, ""));
    let mut words = line.splitn(3, ' ');
    let method = words.next().unwrap_or_default();
    let target = words.next().unwrap_or_default();
    let is_version = |word: &str| word.starts_with('v') && word.contains('.');
    let target = match target.strip_prefix('/').and_then(|path| path.split_once('/')) {
        Some((version, path)) if is_version(version) => format!("/{path}"),
        _ => target.to_owned(),
    };
    let says_connection =
        headers.lines().any(|line| line.to_ascii_lowercase().starts_with("connection:"));
    let close = if says_connection { "" } else { "\r\nConnection: close" };
    format!("{method} {target} HTTP/1.1{close}\r\n{headers}")
}
