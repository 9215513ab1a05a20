//! Which entries count: names, depth, size and markers. Pure.

use crate::{arrival::RelPath, config::checked::Watch};

/// The selection of one watch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules<'a> {
    watch: &'a Watch,
    depth_max: usize,
}

/// What a file of some name is to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It may become an arrival.
    Candidate,
    /// It releases another file, and is never announced itself.
    Marker {
        /// The file that it releases.
        releases: RelPath,
    },
    /// Its name does not count.
    Ignored,
}

impl<'a> Rules<'a> {
    pub(crate) fn of(watch: &'a Watch) -> Self {
        Self { watch, depth_max: watch.depth_max() }
    }

    /// What a file of this name is.
    pub(crate) fn role(&self, path: &RelPath) -> Role {
        if path.is_root() || path.depth() > self.depth_max {
            return Role::Ignored;
        }
        let marker = self.watch.done_marker.as_ref();
        if let Some(releases) = marker.and_then(|marker| marker.released_by(path)) {
            let counts = self.watch.selection.takes_file(&releases);
            return if counts { Role::Marker { releases } } else { Role::Ignored };
        }
        if self.watch.selection.takes_file(path) { Role::Candidate } else { Role::Ignored }
    }

    /// Whether a directory of this name is watched and scanned.
    pub(crate) fn enters(&self, dir: &RelPath) -> bool {
        self.watch.enters(dir)
    }

    /// Whether a file of this size counts.
    pub(crate) fn takes_size(&self, size: u64) -> bool {
        self.watch.takes_size(size)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{super::tests, *};
    use crate::config::checked::Marker;

    fn path(text: &str) -> RelPath {
        RelPath::from_bytes(text.as_bytes())
    }

    fn watch(max_depth: usize, marker: Option<(&str, &str)>) -> Watch {
        let done_marker = marker.map(|(p, s)| Marker { prefix: p.into(), suffix: s.into() });
        let plain = tests::watch(Path::new("/w"));
        Watch { max_depth, done_marker, size_min: 1, size_max: Some(10), ..plain }
    }

    #[test]
    fn depth_zero_takes_the_files_of_the_root_only() {
        let watch = watch(0, None);
        let rules = Rules::of(&watch);
        assert_eq!(rules.role(&path("a")), Role::Candidate);
        assert_eq!(rules.role(&path("d/a")), Role::Ignored);
        assert!(!rules.enters(&path("d")));
        assert!(rules.enters(&RelPath::root()));
    }

    #[test]
    fn depth_counts_the_directories_above_a_file() {
        let watch = watch(2, None);
        let rules = Rules::of(&watch);
        assert!(
            rules.enters(&path("d")) && rules.enters(&path("d/e")) && !rules.enters(&path("d/e/f"))
        );
        assert_eq!(rules.role(&path("d/e/a")), Role::Candidate);
        assert_eq!(rules.role(&path("d/e/f/a")), Role::Ignored);
    }

    #[test]
    fn without_recursion_no_directory_is_entered() {
        let watch = Watch { recursive: false, ..watch(9, None) };
        let rules = Rules::of(&watch);
        assert!(rules.enters(&RelPath::root()) && !rules.enters(&path("d")));
        assert_eq!(rules.role(&path("d/a")), Role::Ignored);
    }

    #[test]
    fn a_marker_releases_its_file_and_is_never_announced() {
        let watch = watch(9, Some(("", ".done")));
        let rules = Rules::of(&watch);
        assert_eq!(rules.role(&path("d/x.pdf.done")), Role::Marker { releases: path("d/x.pdf") });
        assert_eq!(rules.role(&path("d/x.pdf")), Role::Candidate);
        assert_eq!(rules.role(&path("x.part.done")), Role::Ignored, "its file is excluded");
        assert_eq!(rules.role(&path(".done")), Role::Ignored, "hidden, and it names no file");
    }

    #[test]
    fn size_bounds_are_inclusive() {
        let watch = watch(0, None);
        let rules = Rules::of(&watch);
        for (size, counts) in [(0, false), (1, true), (10, true), (11, false)] {
            assert_eq!(rules.takes_size(size), counts, "{size}");
        }
        let open = Watch { size_max: None, ..watch };
        assert!(Rules::of(&open).takes_size(u64::MAX), "no upper bound");
    }
}
