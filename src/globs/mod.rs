//! Which names count: include, exclude and default-exclude globs by the gitignore rule. Pure.
//!
//! A pattern without `/` matches any component of the path, one with `/` the path relative to the root
//! (gitignore(5)). The final name is judged, so `x.part` becomes a candidate when it is renamed to `x`.

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;

use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::Path};

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};

use crate::arrival::RelPath;

/// Names that are never whole files: hidden, partial, temporary and editor names.
///
/// Collected from what uploaders, browsers, editors and network file systems leave behind; shown by
/// `--print-config`, switched off by `default_excludes = false`.
pub const DEFAULT_EXCLUDES: &[&str] = &[
    ".*",
    "*~",
    "#*#",
    "*.swp",
    "*.swpx",
    "*.swx",
    "4913",
    "*.tmp",
    "*.temp",
    "*.part",
    "*.partial",
    "*.filepart",
    "*.crdownload",
    "*.download",
    "*.opdownload",
    "*.!ut",
    "*.aria2",
    "*.writing",
    "*.uploading",
    "*.inprogress",
    "~$*",
];

/// Compiled patterns. Two are equal when they were made of the same texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    include: Patterns,
    exclude: Patterns,
}

impl Selection {
    /// Compiles; `Err` names the pattern that is wrong and why.
    pub fn new(
        include: &[String],
        exclude: &[String],
        default_excludes: bool,
    ) -> Result<Self, (String, globset::Error)> {
        let defaults = if default_excludes { DEFAULT_EXCLUDES } else { &[] };
        let exclude: Vec<&str> =
            defaults.iter().copied().chain(exclude.iter().map(String::as_str)).collect();
        let include: Vec<&str> = include.iter().map(String::as_str).collect();
        Ok(Self { include: Patterns::new(&include)?, exclude: Patterns::new(&exclude)? })
    }

    /// Whether a file of this name counts.
    pub fn takes_file(&self, path: &RelPath) -> bool {
        (self.include.is_empty() || self.include.match_file(path)) && !self.exclude.match_file(path)
    }

    /// Whether a directory of this name is entered. Include patterns do not keep us out: what they name
    /// may lie deeper.
    pub fn enters_dir(&self, path: &RelPath) -> bool {
        path.is_root() || !self.exclude.match_dir(path)
    }
}

/// Patterns that end in `/` name directories only, the others name anything.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Patterns {
    any: PatternSet,
    dirs: PatternSet,
}

impl Patterns {
    fn new(patterns: &[&str]) -> Result<Self, (String, globset::Error)> {
        let dir_only = |p: &&&str| p.ends_with('/');
        let (dirs, any): (Vec<_>, Vec<_>) = patterns.iter().partition(dir_only);
        Ok(Self { any: PatternSet::new(&any)?, dirs: PatternSet::new(&dirs)? })
    }

    fn is_empty(&self) -> bool {
        self.any.is_empty() && self.dirs.is_empty()
    }

    fn match_file(&self, path: &RelPath) -> bool {
        self.any.matches(path) || (!self.dirs.is_empty() && self.dirs.matches(&path.parent()))
    }

    fn match_dir(&self, path: &RelPath) -> bool {
        self.any.matches(path) || self.dirs.matches(path)
    }
}

/// One automaton for names of components, one for whole paths.
#[derive(Clone, Debug)]
struct PatternSet {
    texts: Vec<String>,
    components: GlobSet,
    paths: GlobSet,
}

impl PatternSet {
    fn new(patterns: &[&&str]) -> Result<Self, (String, globset::Error)> {
        let (mut components, mut paths) = (GlobSetBuilder::new(), GlobSetBuilder::new());
        for pattern in patterns {
            let body = pattern.trim_end_matches('/');
            let target = if body.contains('/') { &mut paths } else { &mut components };
            target.add(
                compile(body.trim_start_matches('/')).map_err(|e| ((**pattern).to_owned(), e))?,
            );
        }
        let build = |set: GlobSetBuilder| set.build().map_err(|e| (String::new(), e));
        let texts = patterns.iter().map(|pattern| (**pattern).to_owned()).collect();
        Ok(Self { texts, components: build(components)?, paths: build(paths)? })
    }

    fn is_empty(&self) -> bool {
        self.components.is_empty() && self.paths.is_empty()
    }

    /// Whether the path or a directory above it matches: what is below an excluded directory is excluded.
    /// The root has no name, not even an empty one that `*` could match.
    fn matches(&self, path: &RelPath) -> bool {
        if path.is_root() {
            return false;
        }
        let bytes = path.as_bytes();
        let ends = || {
            let slashes = bytes.iter().enumerate().filter(|(_, b)| **b == b'/').map(|(at, _)| at);
            slashes.chain([bytes.len()])
        };
        (!self.components.is_empty()
            && bytes.split(|b| *b == b'/').any(|part| self.components.is_match(as_path(part))))
            || (!self.paths.is_empty()
                && ends()
                    .any(|end| self.paths.is_match(as_path(bytes.get(..end).unwrap_or_default()))))
    }
}

/// The automata follow from the texts, and cannot be compared.
impl PartialEq for PatternSet {
    fn eq(&self, other: &Self) -> bool {
        self.texts == other.texts
    }
}

impl Eq for PatternSet {}

fn as_path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

fn compile(pattern: &str) -> Result<Glob, globset::Error> {
    GlobBuilder::new(pattern).literal_separator(true).backslash_escape(true).build()
}

#[cfg(test)]
mod tests;
