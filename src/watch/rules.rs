//! Which entries count: names, depth, size and markers. Pure.

use crate::{
    arrival::RelPath,
    config::checked::{Marker, Watch},
    globs::Selection,
};

/// The selection of one watch.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    selection: Selection,
    depth_max: usize,
    size_min: u64,
    size_max: u64,
    marker: Option<Marker>,
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

impl Rules {
    pub(crate) fn of(watch: &Watch) -> Self {
        Self {
            selection: watch.selection.clone(),
            depth_max: if watch.recursive { watch.max_depth } else { 0 },
            size_min: watch.size_min,
            size_max: watch.size_max.unwrap_or(u64::MAX),
            marker: watch.done_marker.clone(),
        }
    }

    /// What a file of this name is.
    pub(crate) fn role(&self, path: &RelPath) -> Role {
        if path.is_root() || path.depth() > self.depth_max {
            return Role::Ignored;
        }
        if let Some(releases) = self.marker.as_ref().and_then(|marker| released(marker, path)) {
            let counts = self.selection.takes_file(&releases);
            return if counts { Role::Marker { releases } } else { Role::Ignored };
        }
        if self.selection.takes_file(path) { Role::Candidate } else { Role::Ignored }
    }

    /// Whether a directory of this name is watched and scanned.
    pub(crate) fn enters(&self, dir: &RelPath) -> bool {
        dir.is_root() || (dir.depth() < self.depth_max && self.selection.enters_dir(dir))
    }

    /// Whether a file of this size counts.
    pub(crate) fn takes_size(&self, size: u64) -> bool {
        (self.size_min..=self.size_max).contains(&size)
    }
}

/// The file that the marker at `path` releases, if `path` is named like a marker.
fn released(marker: &Marker, path: &RelPath) -> Option<RelPath> {
    let name = path.name().strip_prefix(marker.prefix.as_slice())?;
    let name = name.strip_suffix(marker.suffix.as_slice())?;
    (!name.is_empty()).then(|| path.parent().join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::from_bytes(text.as_bytes())
    }

    fn rules(depth_max: usize, marker: Option<(&str, &str)>) -> Rules {
        let marker = marker.map(|(p, s)| Marker { prefix: p.into(), suffix: s.into() });
        let selection = Selection::new(&[], &[], true).unwrap();
        Rules { selection, depth_max, size_min: 1, size_max: 10, marker }
    }

    #[test]
    fn depth_zero_takes_the_files_of_the_root_only() {
        let rules = rules(0, None);
        assert_eq!(rules.role(&path("a")), Role::Candidate);
        assert_eq!(rules.role(&path("d/a")), Role::Ignored);
        assert!(!rules.enters(&path("d")));
        assert!(rules.enters(&RelPath::root()));
    }

    #[test]
    fn depth_counts_the_directories_above_a_file() {
        let rules = rules(2, None);
        assert!(
            rules.enters(&path("d")) && rules.enters(&path("d/e")) && !rules.enters(&path("d/e/f"))
        );
        assert_eq!(rules.role(&path("d/e/a")), Role::Candidate);
        assert_eq!(rules.role(&path("d/e/f/a")), Role::Ignored);
    }

    #[test]
    fn a_marker_releases_its_file_and_is_never_announced() {
        let rules = rules(9, Some(("", ".done")));
        assert_eq!(rules.role(&path("d/x.pdf.done")), Role::Marker { releases: path("d/x.pdf") });
        assert_eq!(rules.role(&path("d/x.pdf")), Role::Candidate);
        assert_eq!(rules.role(&path("x.part.done")), Role::Ignored, "its file is excluded");
        assert_eq!(rules.role(&path(".done")), Role::Ignored, "hidden, and it names no file");
    }

    #[test]
    fn size_bounds_are_inclusive() {
        let rules = rules(0, None);
        assert!(
            !rules.takes_size(0)
                && rules.takes_size(1)
                && rules.takes_size(10)
                && !rules.takes_size(11)
        );
    }
}
