//! Unit files as sets of lines: order between keys, comments and blank lines mean nothing.

use std::{collections::BTreeSet, fmt};

/// One assignment in its section.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Assignment {
    pub(super) section: String,
    pub(super) key: String,
    pub(super) value: String,
}

impl fmt::Display for Assignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}={}", self.section, self.key, self.value)
    }
}

/// Every assignment of a unit file. Panics at what is none.
pub(super) fn parse(text: &str) -> BTreeSet<Assignment> {
    let mut section = String::new();
    let mut found = BTreeSet::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            line.clone_into(&mut section);
        } else if !line.is_empty() && !line.starts_with('#') {
            let (key, value) = line.split_once('=').unwrap_or_else(|| panic!("no key: {line}"));
            let (section, key, value) = (section.clone(), key.to_owned(), value.to_owned());
            found.insert(Assignment { section, key, value });
        }
    }
    found
}
