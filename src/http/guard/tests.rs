use proptest::prelude::*;

use super::*;
use crate::{config::checked::SecretUrl, http::dial::literal};

fn network(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn judge(guard: &Guard, text: &str) -> Result<(), Barred> {
    guard.judge(text.parse().unwrap())
}

const SPECIAL: &[&str] = &[
    "0.0.0.0",
    "0.1.2.3",
    "169.254.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "100.100.100.200",
    "192.0.0.192",
    "168.63.129.16",
    "224.0.0.1",
    "239.255.255.255",
    "255.255.255.255",
    "::",
    "fe80::1",
    "febf::1",
    "ff02::1",
    "fd00:ec2::254",
    "fd00:ec2::23",
    "fd20:ce::254",
    "::ffff:169.254.169.254",
    "::ffff:0.0.0.0",
    "::169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::224.0.0.1",
    "2002:a9fe:a9fe::1",
];

const PRIVATE: &[&str] = &[
    "127.0.0.1",
    "127.255.0.1",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "100.127.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "240.0.0.1",
    "::1",
    "fc00::1",
    "fd00::1",
    "fec0::1",
    "100::1",
    "2001:db8::1",
    "2001::1",
    "2001:1ff::1",
    "3fff::1",
    "64:ff9b:1::1",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "64:ff9b::10.0.0.1",
    "2002:0a00:0001::1",
];

const PUBLIC: &[&str] = &[
    "1.1.1.1",
    "93.184.216.34",
    "100.63.255.255",
    "100.128.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.1",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2606:2800:220:1::1",
    "2001:200::1",
    "2001:4860:4860::8888",
    "::ffff:93.184.216.34",
    "64:ff9b::93.184.216.34",
    "2002:5db8:d822::1",
];

#[test]
fn special_addresses_are_refused_in_every_configuration() {
    for deny_private in [false, true] {
        let guard = Guard { deny_private, allow: vec![] };
        for text in SPECIAL {
            assert_eq!(judge(&guard, text), Err(Barred::Special), "{text}");
        }
    }
}

#[test]
fn private_addresses_are_refused_on_request_only() {
    for text in PRIVATE {
        assert_eq!(judge(&Guard::default(), text), Ok(()), "{text}");
        let strict = Guard { deny_private: true, allow: vec![] };
        assert_eq!(judge(&strict, text), Err(Barred::Private), "{text}");
    }
}

#[test]
fn public_addresses_are_always_allowed() {
    for text in PUBLIC {
        for deny_private in [false, true] {
            assert_eq!(judge(&Guard { deny_private, allow: vec![] }, text), Ok(()), "{text}");
        }
    }
}

#[test]
fn exceptions_win_over_both_in_every_form_of_the_address() {
    let allow = vec![network("10.1.0.0/16"), network("169.254.7.7/32"), network("fd00::/8")];
    let guard = Guard { deny_private: true, allow };
    for text in [
        "10.1.255.255",
        "::ffff:10.1.2.3",
        "64:ff9b::10.1.2.3",
        "2002:0a01:0203::",
        "169.254.7.7",
        "fd12::1",
        "fd00:ec2::254",
    ] {
        assert_eq!(judge(&guard, text), Ok(()), "{text}");
    }
    assert_eq!(judge(&guard, "10.2.0.1"), Err(Barred::Private));
    assert_eq!(judge(&guard, "169.254.7.8"), Err(Barred::Special));
}

/// What browsers and libc accept as an address, the URL parser turns into the one form that is judged.
#[test]
fn every_way_to_write_an_address_in_a_url_comes_to_the_same() {
    for host in [
        "169.254.169.254",
        "2852039166",
        "0xa9fea9fe",
        "0xA9.0xFE.0xA9.0xFE",
        "0251.0376.0251.0376",
        "169.254.43518",
        "169.16689662",
        "169.254.169.254.",
        "%31%36%39.254.169.254",
        "１６９.254.169.254",
        "[::ffff:169.254.169.254]",
        "[::ffff:a9fe:a9fe]",
        "[0:0:0:0:0:ffff:a9fe:a9fe]",
        "[::a9fe:a9fe]",
        "[64:ff9b::169.254.169.254]",
        "[2002:a9fe:a9fe::]",
        "0",
        "0.0",
        "[::]",
    ] {
        let url = SecretUrl::parse(&format!("http://{host}/")).unwrap();
        let address = literal(url.expose()).unwrap_or_else(|| panic!("{host} is an address"));
        assert_eq!(Guard::default().judge(address), Err(Barred::Special), "{host}");
    }
    for refused in ["[fe80::1%25eth0]", "[fe80::1%eth0]", "256.1.1.1", "1.2.3.4.5", "0x100000000"] {
        assert!(SecretUrl::parse(&format!("http://{refused}/")).is_err(), "{refused}");
    }
}

proptest! {
    #[test]
    fn an_ipv4_address_is_judged_alike_in_every_wrapping(bits: u32, deny_private: bool) {
        let guard = Guard { deny_private, allow: vec![] };
        let plain = guard.judge(IpAddr::V4(bits.into()));
        let wrap = |prefix: u128, shift: u32| {
            guard.judge(IpAddr::V6((prefix | (u128::from(bits) << shift)).into()))
        };
        prop_assert_eq!(wrap(0xffff << 32, 0), plain);
        prop_assert_eq!(wrap(0x0064_ff9b << 96, 0), plain);
        prop_assert_eq!(wrap(0x2002 << 112, 80), plain);
    }
}
