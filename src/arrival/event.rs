//! The id of an event.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{Name, RelPath, Version};

/// The id of an event: `evt_` and 32 lower-case hex digits.
///
/// BLAKE3, cut to 128 bits, over four fields, each preceded by its length as a big-endian u32: instance,
/// watch name, path bytes, [`Version::to_bytes`]. Nothing else: a retry, a replay, a crash or a lost
/// database gives the same id (P3). A frozen vector in the tests pins it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId(pub [u8; 16]);

impl EventId {
    /// The id of this version of this file.
    pub fn of(instance: &str, watch: &Name, path: &RelPath, version: &Version) -> Self {
        let mut hash = blake3::Hasher::new();
        for field in
            [instance.as_bytes(), watch.as_str().as_bytes(), path.as_bytes(), &version.to_bytes()]
        {
            hash.update(&u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
            hash.update(field);
        }
        let mut id = [0; 16];
        hash.finalize_xof().fill(&mut id);
        Self(id)
    }

    /// Reads `evt_…` back.
    pub fn parse(text: &str) -> Option<Self> {
        let hex = text.strip_prefix("evt_")?;
        if hex.len() != 32
            || hex.bytes().any(|b| !b.is_ascii_digit() && !(b'a'..=b'f').contains(&b))
        {
            return None;
        }
        u128::from_str_radix(hex, 16).ok().map(|id| Self(id.to_be_bytes()))
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "evt_{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for EventId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EventId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("an id is evt_ and 32 hex digits"))
    }
}
