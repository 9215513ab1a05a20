//! What a proxy answers to CONNECT (RFC 9110 9.3.6), asked by ourselves.
//!
//! The library opens tunnels, but does not say with which status a proxy refused, nor whether it was the
//! proxy that nobody could reach. Both decide who is to blame, so after such a failure the proxy is asked once
//! more here; `endpoint test` asks first.

use std::io;

use reqwest::Url;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{fault::ProxyFault, status_line::status_of};

/// The most that a proxy may say before the tunnel is open.
const HEAD_LEN_MAX: usize = 8 * 1024;

/// `host:port` as CONNECT names it, an IPv6 address in brackets.
pub(super) fn authority(url: &Url) -> String {
    let port = url.port_or_known_default().unwrap_or(443);
    format!("{}:{port}", url.host_str().unwrap_or_default())
}

/// Asks for a tunnel to `target` on a new connection. The stream is the tunnel.
pub(super) async fn tunnel(mut proxy: TcpStream, target: &Url) -> Result<TcpStream, ProxyFault> {
    let target = authority(target);
    let ask = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
    proxy.write_all(ask.as_bytes()).await.map_err(lost)?;
    let mut head = Vec::new();
    // Byte by byte: what follows the head belongs to the tunnel.
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= HEAD_LEN_MAX {
            return Err(ProxyFault::NotHttp);
        }
        head.push(proxy.read_u8().await.map_err(lost)?);
    }
    match status_of(&head) {
        Some(200..=299) => Ok(proxy),
        Some(status) => Err(ProxyFault::Refused(status)),
        None => Err(ProxyFault::NotHttp),
    }
}

fn lost(_: io::Error) -> ProxyFault {
    ProxyFault::Lost
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_has_a_port_and_ipv6_has_brackets() {
        for (url, want) in [
            ("https://example.net/x?y", "example.net:443"),
            ("https://example.net:8443/", "example.net:8443"),
            ("https://[2001:db8::1]/", "[2001:db8::1]:443"),
            ("http://192.0.2.1/", "192.0.2.1:80"),
        ] {
            assert_eq!(authority(&Url::parse(url).unwrap()), want);
        }
    }
}
