//! What files are called: bytes, and how to show them.

use std::{
    ffi::OsStr,
    fmt,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::Arc,
};

/// A path relative to the root of its watch: raw bytes, `/` between components, empty for the root.
///
/// Linux names are bytes (`path_resolution(7)`), so this is never converted to text to decide anything.
/// `Debug` and `Display` print it on one line whatever it contains.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelPath(Arc<[u8]>);

impl RelPath {
    /// The root of the watch itself.
    pub fn root() -> Self {
        Self(Arc::from([].as_slice()))
    }

    /// Takes the bytes as they are.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// What `path` is called below `root`; `None` when it is not below it.
    pub fn below(root: &Path, path: &Path) -> Option<Self> {
        path.strip_prefix(root).ok().map(|rel| Self::from_bytes(rel.as_os_str().as_bytes()))
    }

    /// The raw bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether this is the root of the watch.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The entry `name` in this directory.
    #[must_use]
    pub fn join(&self, name: &[u8]) -> Self {
        if self.is_root() {
            return Self::from_bytes(name);
        }
        let mut bytes = Vec::with_capacity(self.0.len() + 1 + name.len());
        bytes.extend_from_slice(&self.0);
        bytes.push(b'/');
        bytes.extend_from_slice(name);
        Self(bytes.into())
    }

    /// The directory that holds this entry; the root is its own parent.
    #[must_use]
    pub fn parent(&self) -> Self {
        let end = self.0.iter().rposition(|b| *b == b'/').unwrap_or(0);
        Self::from_bytes(self.0.get(..end).unwrap_or_default())
    }

    /// The last component.
    pub fn name(&self) -> &[u8] {
        self.0.rsplit(|b| *b == b'/').next().unwrap_or_default()
    }

    /// How many directories lie between the root and this entry: 0 for an entry of the root itself.
    pub fn depth(&self) -> usize {
        self.0.split(|b| *b == b'/').count() - 1
    }

    /// Whether this is `dir` or lies below it.
    pub fn is_within(&self, dir: &Self) -> bool {
        dir.is_root()
            || self
                .0
                .strip_prefix(dir.as_bytes())
                .is_some_and(|rest| matches!(rest.first(), None | Some(b'/')))
    }

    /// The path below `root`.
    pub fn under(&self, root: &Path) -> PathBuf {
        if self.is_root() { root.to_path_buf() } else { root.join(OsStr::from_bytes(&self.0)) }
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Shown(&self.0), f)
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Shown(&self.0), f)
    }
}

/// File name bytes made safe for one log line: printable text stays, everything else is escaped.
///
/// A name can hold newlines, terminal escapes and bytes that are not UTF-8; none of them may forge a log
/// line. Bidirectional and zero-width characters are escaped too, for they forge what a reader sees.
pub struct Shown<'a>(pub &'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                if c == ' ' || c == '\'' || c == '"' {
                    write!(f, "{c}")?;
                } else {
                    write!(f, "{}", c.escape_debug())?;
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}
