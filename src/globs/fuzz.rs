//! One pattern against one name: a line of pattern, and behind it the name.
#![expect(
    clippy::missing_panics_doc,
    reason = "to panic is how it says that something does not hold"
)]

use std::sync::LazyLock;

use super::{DEFAULT_EXCLUDES, Selection};
use crate::arrival::RelPath;

/// Compiled once: that takes longer than all the rest.
static DEFAULT: LazyLock<Option<Selection>> = LazyLock::new(|| Selection::new(&[], &[], true).ok());

/// Whatever the pattern: what it includes is what it excludes, and nothing lies below what is not entered.
pub fn globs(bytes: &[u8]) {
    let end = bytes.iter().position(|b| *b == b'\n').unwrap_or(bytes.len());
    let (pattern, name) = bytes.split_at(end);
    let Ok(pattern) = std::str::from_utf8(pattern) else { return };
    let parts = components(name.get(1..).unwrap_or_default());
    let Some(path) = parts.last() else { return };
    let pattern = [pattern.to_owned()];
    let (Ok(include), Ok(exclude), Ok(both)) = (
        Selection::new(&pattern, &[], false),
        Selection::new(&[], &pattern, false),
        Selection::new(&pattern, &pattern, false),
    ) else {
        return;
    };
    let is_named = include.takes_file(path);
    assert_ne!(is_named, exclude.takes_file(path), "in or out: {path}");
    assert!(!both.takes_file(path), "exclude wins: {path}");
    for dir in parts.iter().rev().skip(1).filter(|dir| !exclude.enters_dir(dir)) {
        assert!(is_named, "{path} is below {dir}, which is excluded");
        assert!(!exclude.enters_dir(path), "{path} is below {dir}, which is not entered");
    }
    if let Some(expected) = reference::names_file(&pattern[0], path.as_bytes()) {
        assert_eq!(is_named, expected, "{path}");
    }
    let defaults =
        DEFAULT_EXCLUDES.iter().filter_map(|p| reference::names_file(p, path.as_bytes()));
    let taken = DEFAULT.as_ref().is_some_and(|selection| selection.takes_file(path));
    assert_eq!(taken, defaults.into_iter().all(|is_named| !is_named), "default excludes: {path}");
}

/// The path that these bytes can be, and before it each directory above; a name is never empty, `.` or `..`.
fn components(bytes: &[u8]) -> Vec<RelPath> {
    let names = bytes.split(|b| *b == b'/').filter(|name| !matches!(*name, b"" | b"." | b".."));
    let names = names.filter(|name| !name.contains(&0));
    let below = |dir: &mut RelPath, name: &[u8]| {
        *dir = dir.join(name);
        Some(dir.clone())
    };
    names.scan(RelPath::root(), below).collect()
}

/// gitignore(5) read aloud, a byte at a time.
mod reference {
    /// Whether `pattern` names the file `path`; `None` for patterns with classes, alternatives or escapes.
    pub(super) fn names_file(pattern: &str, path: &[u8]) -> Option<bool> {
        let body = pattern.trim_end_matches('/');
        let is_anchored = body.contains('/');
        let body = body.trim_start_matches('/');
        if body.is_empty() || body.contains(['[', ']', '{', '}', '\\']) {
            return None;
        }
        let wanted: Vec<&[u8]> = body.as_bytes().split(|b| *b == b'/').collect();
        let mut names: Vec<&[u8]> = path.split(|b| *b == b'/').collect();
        if pattern.ends_with('/') {
            names.pop(); // the file is none of the directories
        }
        Some(if is_anchored {
            (1..=names.len()).any(|len| leads(&wanted, names.get(..len).unwrap_or_default()))
        } else {
            names.iter().any(|name| fits(body.as_bytes(), name))
        })
    }

    /// Whether the components of a pattern are those of a path. What is reached by each component of the
    /// pattern is a set of how many names have been used up.
    fn leads(wanted: &[&[u8]], names: &[&[u8]]) -> bool {
        let mut used = vec![false; names.len() + 1];
        set(&mut used, 0);
        for (at, part) in wanted.iter().enumerate() {
            let is_last = at + 1 == wanted.len();
            let mut next = vec![false; names.len() + 1];
            for from in (0..=names.len()).filter(|from| used.get(*from) == Some(&true)) {
                if *part == b"**" {
                    // Any directories, none among them; at the end something has to be there.
                    (from + usize::from(is_last)..=names.len()).for_each(|to| set(&mut next, to));
                } else if names.get(from).is_some_and(|name| fits(part, name)) {
                    set(&mut next, from + 1);
                }
            }
            used = next;
        }
        used.last() == Some(&true)
    }

    /// Whether `*` and `?` make `pattern` this name.
    fn fits(pattern: &[u8], name: &[u8]) -> bool {
        let mut used = vec![false; name.len() + 1];
        set(&mut used, 0);
        for wanted in pattern {
            let mut next = vec![false; name.len() + 1];
            for from in (0..=name.len()).filter(|from| used.get(*from) == Some(&true)) {
                match (wanted, name.get(from)) {
                    (b'*', _) => (from..=name.len()).for_each(|to| set(&mut next, to)),
                    (b'?', Some(_)) => set(&mut next, from + 1),
                    (wanted, Some(byte)) if wanted == byte => set(&mut next, from + 1),
                    _ => {}
                }
            }
            used = next;
        }
        used.last() == Some(&true)
    }

    fn set(used: &mut [bool], at: usize) {
        if let Some(slot) = used.get_mut(at) {
            *slot = true;
        }
    }
}
