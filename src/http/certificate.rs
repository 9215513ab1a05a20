//! Until when a certificate is good: the one thing of it that is shown. Pure.
//!
//! What TLS has accepted is read as far as `validity` (RFC 5280 4.1), and no further.

use jiff::{civil::DateTime, tz::Offset};

use crate::clock::WallMs;

/// DER (X.690 8.1): the version, where there is one; and the two ways to write a time.
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// One element, and what follows it.
struct Element<'d> {
    tag: u8,
    content: &'d [u8],
    rest: &'d [u8],
}

impl<'d> Element<'d> {
    fn of(der: &'d [u8]) -> Option<Self> {
        let (&tag, der) = der.split_first()?;
        let (&first, der) = der.split_first()?;
        let (len, der) = match first {
            0..=0x7f => (usize::from(first), der),
            // No certificate needs more than four bytes for a length.
            0x81..=0x84 => {
                let (digits, der) = der.split_at_checked(usize::from(first & 0x7f))?;
                let len = digits.iter().fold(0_u32, |len, digit| len << 8 | u32::from(*digit));
                (usize::try_from(len).ok()?, der)
            }
            _ => return None,
        };
        let (content, rest) = der.split_at_checked(len)?;
        Some(Self { tag, content, rest })
    }
}

/// The end of its validity; `None` for anything that is not a certificate.
pub(super) fn good_until(der: &[u8]) -> Option<WallMs> {
    let certificate = Element::of(der)?;
    let signed = Element::of(certificate.content)?;
    let first = Element::of(signed.content)?;
    let serial = if first.tag == VERSION { Element::of(first.rest)? } else { first };
    let algorithm = Element::of(serial.rest)?;
    let issuer = Element::of(algorithm.rest)?;
    let validity = Element::of(issuer.rest)?;
    let not_before = Element::of(validity.content)?;
    let not_after = Element::of(not_before.rest)?;
    time(not_after.tag, not_after.content)
}

/// `YYMMDDHHMMSSZ` up to 2049, `YYYYMMDDHHMMSSZ` from then on (RFC 5280 4.1.2.5).
fn time(tag: u8, content: &[u8]) -> Option<WallMs> {
    let text = std::str::from_utf8(content).ok()?.strip_suffix('Z')?;
    let (year, text) = match tag {
        UTC_TIME => {
            let (year, text) = text.split_at_checked(2)?;
            let year: i16 = number(year)?;
            (if year < 50 { 2000 + year } else { 1900 + year }, text)
        }
        GENERALIZED_TIME => {
            let (year, text) = text.split_at_checked(4)?;
            (number(year)?, text)
        }
        _ => return None,
    };
    let mut pairs = (0..5).map(|n| number(text.get(2 * n..2 * n + 2)?));
    let mut pair = || pairs.next().flatten();
    let (month, day, hour, minute, second) = (pair()?, pair()?, pair()?, pair()?, pair()?);
    let time = DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
    Some(WallMs(Offset::UTC.to_timestamp(time).ok()?.as_millisecond()))
}

fn number<N: std::str::FromStr>(digits: &str) -> Option<N> {
    digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn certificate(until: (i32, u8, u8)) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["box.example".to_owned()]).unwrap();
        params.not_after = date_time_ymd(until.0, until.1, until.2);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn the_end_is_read_in_both_ways_to_write_it() {
        for (until, ms) in [
            ((2026, 3, 1), 1_772_323_200_000),
            ((2049, 12, 31), 2_524_521_600_000),
            ((2050, 1, 1), 2_524_608_000_000),
        ] {
            assert_eq!(good_until(&certificate(until)), Some(WallMs(ms)), "{until:?}");
        }
    }

    #[test]
    fn a_time_that_is_none_is_not_shown() {
        for (tag, text) in [
            (UTC_TIME, "260301120000"),
            (UTC_TIME, "261301120000Z"),
            (UTC_TIME, "+60301120000Z"),
            (UTC_TIME, "2603011200Z"),
            (GENERALIZED_TIME, "260301120000Z"),
            (0x02, "20260301120000Z"),
        ] {
            assert_eq!(time(tag, text.as_bytes()), None, "{text}");
        }
        assert_eq!(time(GENERALIZED_TIME, b"20260301120000Z"), Some(WallMs(1_772_366_400_000)));
    }

    proptest! {
        /// Whatever a receiver shows, and wherever it is cut or changed.
        #[test]
        fn no_bytes_are_too_strange(at in 0..400_usize, byte: u8, len in 0..500_usize) {
            let mut der = certificate((2026, 3, 1));
            if let Some(changed) = der.get_mut(at) {
                *changed = byte;
            }
            der.truncate(len);
            let _shown = good_until(&der);
        }
    }
}
