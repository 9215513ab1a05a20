//! Addresses that are never asked, whatever the configuration says. Pure.
//!
//! Files' names go to an address that the operator chose, and receivers on the local network are normal;
//! but a name that resolves to a cloud's metadata service, or to nothing in particular, is an attack or a
//! mistake. Judged on the address that is connected to, never on the name: a name can change its mind.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether `address` is link-local, multicast, unspecified or a metadata service.
pub(super) fn is_blocked(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_blocked_v4(v4),
        IpAddr::V6(v6) => is_blocked_v6(v6),
    }
}

fn is_blocked_v4(address: Ipv4Addr) -> bool {
    let [first, ..] = address.octets();
    first == 0 || address.is_link_local() || address.is_multicast() || address.is_broadcast()
}

fn is_blocked_v6(address: Ipv6Addr) -> bool {
    // The metadata service of EC2, which is in no special range.
    const METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    address.is_unspecified()
        || address.is_multicast()
        || address.is_unicast_link_local()
        || address == METADATA
        || embedded(address).is_some_and(is_blocked_v4)
}

/// The IPv4 address inside: mapped (RFC 4291), NAT64 (RFC 6052), 6to4 (RFC 3056).
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Some(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => v4(high, low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocked_addresses() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "224.0.0.1",
            "239.255.255.255",
            "255.255.255.255",
            "::",
            "fe80::1",
            "febf::1",
            "ff02::1",
            "fd00:ec2::254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
        ] {
            assert!(is_blocked(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn local_networks_are_allowed() {
        for text in [
            "127.0.0.1",
            "10.0.0.1",
            "192.168.1.1",
            "172.16.0.1",
            "100.64.0.1",
            "93.184.216.34",
            "::1",
            "fd00::1",
            "2606:2800:220:1::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(!is_blocked(text.parse().unwrap()), "{text}");
        }
    }
}
