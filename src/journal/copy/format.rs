//! The bytes of the copy. Pure.
//!
//! A head, then one record for each watch and each file, all numbers big endian, then the checksum over
//! everything before it. A record begins with its kind; `w` sets the watch of the files that follow.
//!
//! | record | content |
//! |---|---|
//! | `w` | length and bytes of the name, whether its first scan was done, the file system's id or zero, whether there is one |
//! | `f` | length and bytes of the path, 41 bytes of version, generation, when it went or -1, length (0 or 16) and bytes of the event's id |

use crate::arrival::Version;

/// What the file begins with; another version begins otherwise.
pub(super) const HEAD: &[u8] = b"watchd seen copy 1\n";

/// Of the BLAKE3 checksum at the end.
pub(super) const CHECKSUM_LEN: usize = 32;

const VERSION_LEN: usize = 41;

/// Longer paths do not exist (`PATH_MAX`), and would only fill memory.
const BYTES_MAX: usize = 1 << 16;

/// One remembered thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// The files that follow are of this watch.
    Watch {
        /// As configured.
        name: String,
        /// Whether its first complete scan has ended.
        is_scanned: bool,
        /// The id of the file system that it was scanned on.
        filesystem: Option<i64>,
    },
    /// A file whose last version was announced everywhere, or was there at the baseline.
    File {
        /// Below the root.
        path: Vec<u8>,
        /// Which version.
        version: Vec<u8>,
        /// How many versions there were.
        generation: i64,
        /// In retention time; `None` while it is there.
        gone_since: Option<i64>,
        /// The id of its event; empty for a baseline.
        event: Vec<u8>,
    },
}

impl Record {
    /// Appends its bytes.
    pub(super) fn put(&self, to: &mut Vec<u8>) {
        match self {
            Self::Watch { name, is_scanned, filesystem } => {
                to.push(b'w');
                put_bytes(to, name.as_bytes());
                to.extend([u8::from(*is_scanned), u8::from(filesystem.is_some())]);
                to.extend(filesystem.unwrap_or_default().to_be_bytes());
            }
            Self::File { path, version, generation, gone_since, event } => {
                to.push(b'f');
                put_bytes(to, path);
                put_bytes(to, version);
                to.extend(generation.to_be_bytes());
                to.extend(gone_since.unwrap_or(-1).to_be_bytes());
                put_bytes(to, event);
            }
        }
    }

    /// Takes one record off the front; `None` when there is no whole and sensible one.
    pub(super) fn take(from: &mut &[u8]) -> Option<Self> {
        let mut rest = *from;
        let record = match take(&mut rest, 1)? {
            b"w" => {
                let name = String::from_utf8(take_bytes(&mut rest)?.to_vec()).ok()?;
                let flags = take(&mut rest, 2)?;
                let filesystem = take_number(&mut rest)?;
                let has = |at: usize| flags.get(at) == Some(&1);
                let filesystem = has(1).then_some(filesystem);
                Self::Watch { name, is_scanned: has(0), filesystem }
            }
            b"f" => {
                let path = take_bytes(&mut rest)?.to_vec();
                let version = take_bytes(&mut rest)?.to_vec();
                Version::from_bytes(&version)?;
                let generation = take_number(&mut rest)?;
                let gone_since = Some(take_number(&mut rest)?).filter(|at| *at >= 0);
                let event = take_bytes(&mut rest)?.to_vec();
                if generation < 0 || ![0, 16].contains(&event.len()) {
                    return None;
                }
                Self::File { path, version, generation, gone_since, event }
            }
            _ => return None,
        };
        *from = rest;
        Some(record)
    }

    /// The most bytes that one takes.
    pub(super) const fn len_max() -> usize {
        2 * BYTES_MAX + VERSION_LEN + 64
    }
}

fn put_bytes(to: &mut Vec<u8>, bytes: &[u8]) {
    to.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    to.extend(bytes);
}

fn take<'a>(from: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, rest) = from.split_at_checked(len)?;
    *from = rest;
    Some(taken)
}

fn take_bytes<'a>(from: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = u32::from_be_bytes(*take(from, 4)?.first_chunk()?);
    take(from, usize::try_from(len).ok().filter(|len| *len <= BYTES_MAX)?)
}

fn take_number(from: &mut &[u8]) -> Option<i64> {
    Some(i64::from_be_bytes(*take(from, 8)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, option, prelude::*};

    use super::*;

    fn record() -> impl Strategy<Value = Record> {
        let watch = ("[a-z]{1,63}", any::<bool>(), option::of(any::<i64>()));
        let event = prop_oneof![Just(Vec::new()), vec(any::<u8>(), 16)];
        let kind = (1_u8..=3, vec(any::<u8>(), VERSION_LEN - 1));
        let file = (vec(any::<u8>(), 0..5000), kind, 0_i64.., option::of(0_i64..), event);
        prop_oneof![
            watch.prop_map(|(name, is_scanned, filesystem)| {
                Record::Watch { name, is_scanned, filesystem }
            }),
            file.prop_map(|(path, (kind, rest), generation, gone_since, event)| {
                let version = [vec![kind], rest].concat();
                Record::File { path, version, generation, gone_since, event }
            }),
        ]
    }

    proptest! {
        #[test]
        fn what_was_put_is_taken_again_and_a_part_of_it_is_not(record in record(), cut: prop::sample::Index) {
            let mut bytes = Vec::new();
            record.put(&mut bytes);
            prop_assert!(bytes.len() <= Record::len_max());
            let mut rest = bytes.as_slice();
            let is_version = match &record {
                Record::File { version, .. } => Version::from_bytes(version).is_some(),
                Record::Watch { .. } => true,
            };
            prop_assert_eq!(Record::take(&mut rest), is_version.then_some(record));
            let mut part = &bytes[..cut.index(bytes.len())];
            prop_assert_eq!(Record::take(&mut part), None);
        }

        #[test]
        fn fuzz_any_bytes_are_taken_or_refused_without_a_panic(bytes: Vec<u8>) {
            let mut rest = bytes.as_slice();
            while Record::take(&mut rest).is_some() {}
        }
    }
}
