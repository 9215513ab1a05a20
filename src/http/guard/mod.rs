//! Which addresses may be asked. Pure.
//!
//! Files' names go to an address that the operator chose, and receivers on the local network are normal;
//! but a name that resolves to a cloud's metadata service, or to nothing in particular, is an attack or a
//! mistake. Judged on the address that is connected to, never on the name: a name can change its mind.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// Why an address is not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Barred {
    /// Link-local, multicast, unspecified, or a metadata service: whatever the configuration says.
    #[error(
        "the address is link-local, multicast, unspecified or a metadata service, which is refused; `allow` can make an exception"
    )]
    Special,
    /// Not a public address, and `deny_private` is set.
    #[error(
        "the address is not a public one, which deny_private refuses; `allow` can make an exception"
    )]
    Private,
}

/// What one endpoint may connect to.
#[derive(Clone, Debug, Default)]
pub(super) struct Guard {
    /// Only public addresses.
    pub(super) deny_private: bool,
    /// Exceptions from everything above.
    pub(super) allow: Vec<IpNet>,
}

impl Guard {
    /// Judges an address that is about to be, or has been, connected to.
    pub(super) fn judge(&self, address: IpAddr) -> Result<(), Barred> {
        let inner = match address {
            IpAddr::V6(v6) => embedded(v6).map(IpAddr::V4),
            IpAddr::V4(_) => None,
        };
        let forms = [Some(address), inner];
        let any = |holds: &dyn Fn(IpAddr) -> bool| forms.iter().flatten().any(|form| holds(*form));
        if any(&|form| self.allow.iter().any(|network| network.contains(&form))) {
            Ok(())
        } else if any(&is_special) {
            Err(Barred::Special)
        } else if self.deny_private && any(&is_private) {
            Err(Barred::Private)
        } else {
            Ok(())
        }
    }
}

/// Metadata services and the like that are in no special range: Alibaba, Oracle, Azure; EC2, ECS, Google.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(168, 63, 129, 16),
];
const METADATA_V6: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

/// Refused in every configuration.
fn is_special(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, ..] = v4.octets();
            first == 0
                || v4.is_link_local()
                || v4.is_multicast()
                || v4.is_broadcast()
                || METADATA_V4.contains(&v4)
        }
        IpAddr::V6(v6) => {
            v6.is_unspecified()
                || v6.is_multicast()
                || v6.is_unicast_link_local()
                || METADATA_V6.contains(&v6)
        }
    }
}

/// Not reachable from everywhere, after the registries of RFC 6890.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_private_v4(v4),
        IpAddr::V6(v6) => is_private_v6(v6),
    }
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    address.is_private()
        || address.is_loopback()
        || address.is_documentation()
        || match address.octets() {
            [100, b, ..] => b & 0xc0 == 64, // carriers' NAT, RFC 6598
            [192, 0, 0, _] | [192, 88, 99, _] | [198, 18 | 19, ..] | [240..=255, ..] => true,
            _ => false,
        }
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    // The IPv4 address inside these two is judged for itself.
    if matches!(address.segments(), [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..]) {
        return false;
    }
    match address.segments() {
        // Discard-only, documentation, IETF protocols with Teredo, documentation (RFC 9637).
        [0x100, 0, 0, 0, ..] | [0x2001, 0xdb8 | 0..=0x1ff, ..] | [0x3fff, 0..=0xfff, ..] => true,
        [first, ..] if first & 0xe000 == 0x2000 => false, // global unicast, RFC 4291
        _ => true,
    }
}

/// The IPv4 address inside: mapped and compatible (RFC 4291), NAT64 (RFC 6052), 6to4 (RFC 3056).
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Some(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, _] => None,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => v4(high, low),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
