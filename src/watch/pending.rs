//! What the kernel hinted at and nobody has looked at yet. Pure, and bounded in bytes (P8).
//!
//! Hints for one path coalesce. When there are too many, a path is replaced by "this directory is dirty",
//! and when there are too many of those, by "the whole root is": nothing is dropped, it only gets coarser.

use std::collections::{BTreeSet, HashSet};

use crate::{arrival::RelPath, kernel::Hint};

/// Memory for one path beyond its bytes: the shared allocation and the set's slot.
const OVERHEAD: usize = 64;

/// The coalesced hints of one watch.
#[derive(Debug)]
pub(crate) struct Pending {
    batch: Batch,
    bytes: usize,
    bytes_max: usize,
}

/// Everything that was hinted since the last time, to be handled in the order of the fields: what is gone
/// is disarmed before what came under the same name is armed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Batch {
    /// Scan the whole root, with fresh kernel watches.
    pub(crate) lost: bool,
    /// Compare the root with what its path means now.
    pub(crate) root: bool,
    /// Entries that went away.
    pub(crate) gone: BTreeSet<RelPath>,
    /// Directories to arm and scan.
    pub(crate) dirs: BTreeSet<RelPath>,
    /// Entries of unknown kind to look at.
    pub(crate) entries: HashSet<RelPath>,
    /// Files to look at.
    pub(crate) files: HashSet<RelPath>,
}

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        !self.lost
            && !self.root
            && self.gone.is_empty()
            && self.dirs.is_empty()
            && self.entries.is_empty()
            && self.files.is_empty()
    }
}

impl Pending {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { batch: Batch::default(), bytes: 0, bytes_max }
    }

    /// Takes a hint in; true when there was nothing before it, so that the reader must be woken.
    pub(crate) fn note(&mut self, hint: Hint) -> bool {
        let was_empty = self.batch.is_empty();
        if self.batch.lost {
            return false;
        }
        match hint {
            Hint::Lost => self.lose(),
            Hint::Root => self.batch.root = true,
            Hint::File(path) => self.note_path(path, |b| &mut b.files),
            Hint::Entry(path) => self.note_path(path, |b| &mut b.entries),
            Hint::Gone(path) => self.note_gone(path),
            Hint::Dir(path) => self.note_dir(path),
        }
        was_empty
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    /// Everything noted so far.
    pub(crate) fn take(&mut self) -> Batch {
        self.bytes = 0;
        std::mem::take(&mut self.batch)
    }

    fn note_path(&mut self, path: RelPath, set: fn(&mut Batch) -> &mut HashSet<RelPath>) {
        if set(&mut self.batch).contains(&path) || self.batch.dirs.contains(&path.parent()) {
            return;
        }
        if self.has_room(&path) {
            self.grow(&path);
            set(&mut self.batch).insert(path);
        } else {
            self.note_dir(path.parent());
        }
    }

    /// A kernel watch that stays behind on a directory that moved out would shadow its successor, so what
    /// finds no room here makes everything start over.
    fn note_gone(&mut self, path: RelPath) {
        self.batch.files.remove(&path);
        if self.batch.gone.contains(&path) {
            return;
        }
        if self.has_room(&path) {
            self.grow(&path);
            self.batch.gone.insert(path);
        } else {
            self.lose();
        }
    }

    fn note_dir(&mut self, dir: RelPath) {
        if self.batch.dirs.contains(&dir) {
            return;
        }
        // Directories may take twice the room of paths: they are what paths spill into.
        if self.bytes + dir.as_bytes().len() + OVERHEAD > self.bytes_max * 2 {
            self.lose();
        } else {
            self.grow(&dir);
            self.batch.dirs.insert(dir);
        }
    }

    fn lose(&mut self) {
        self.bytes = 0;
        self.batch = Batch { lost: true, ..Batch::default() };
    }

    fn has_room(&self, path: &RelPath) -> bool {
        self.bytes + path.as_bytes().len() + OVERHEAD <= self.bytes_max
    }

    fn grow(&mut self, path: &RelPath) {
        self.bytes += path.as_bytes().len() + OVERHEAD;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::from_bytes(text.as_bytes())
    }

    #[test]
    fn hints_for_one_path_coalesce() {
        let mut pending = Pending::new(10_000);
        assert!(pending.note(Hint::File(path("a"))));
        assert!(!pending.note(Hint::File(path("a"))));
        assert_eq!(pending.take().files.len(), 1);
        assert!(pending.take().is_empty());
    }

    #[test]
    fn a_path_without_room_makes_its_directory_dirty() {
        let mut pending = Pending::new(OVERHEAD + 3);
        pending.note(Hint::File(path("d/a")));
        pending.note(Hint::File(path("d/b")));
        let batch = pending.take();
        assert!(batch.files.contains(&path("d/a")) && batch.dirs.contains(&path("d")));
        assert!(!batch.lost);
    }

    #[test]
    fn a_kernel_overflow_swallows_everything_else() {
        let mut pending = Pending::new(10_000);
        pending.note(Hint::File(path("a")));
        pending.note(Hint::Lost);
        pending.note(Hint::Dir(path("d")));
        assert_eq!(pending.take(), Batch { lost: true, ..Batch::default() });
    }

    #[test]
    fn a_doubt_about_the_root_wakes_the_reader_and_is_kept() {
        let mut pending = Pending::new(0);
        assert!(pending.note(Hint::Root) && !pending.is_empty());
        assert_eq!(pending.take(), Batch { root: true, ..Batch::default() });
    }

    fn hint() -> impl Strategy<Value = Hint> {
        let path = || "[a-c]{1,2}(/[a-c]{1,2}){0,2}".prop_map(|s| path(&s));
        prop_oneof![
            8 => path().prop_map(Hint::File),
            2 => path().prop_map(Hint::Entry),
            2 => path().prop_map(Hint::Dir),
            1 => path().prop_map(Hint::Gone),
        ]
    }

    proptest! {
        #[test]
        fn no_hint_is_ever_dropped_only_coarsened(
            hints in prop::collection::vec(hint(), 0..60),
            bytes_max in 0_usize..4000,
        ) {
            let mut pending = Pending::new(bytes_max);
            for hint in &hints {
                pending.note(hint.clone());
            }
            prop_assert!(pending.bytes <= bytes_max * 2);
            let batch = pending.take();
            let mut gone_later = BTreeSet::new();
            for hint in hints.into_iter().rev() {
                let path = match &hint {
                    Hint::Gone(path) => {
                        prop_assert!(batch.lost || batch.gone.contains(path), "{hint:?} is not in {batch:?}");
                        gone_later.insert(path.clone());
                        continue;
                    }
                    Hint::File(path) | Hint::Entry(path) | Hint::Dir(path) => path,
                    Hint::Lost | Hint::Root => continue,
                };
                let noted = batch.files.contains(path)
                    || batch.entries.contains(path)
                    || gone_later.contains(path);
                let covered = batch.dirs.iter().any(|dir| path.is_within(dir));
                prop_assert!(batch.lost || noted || covered, "{hint:?} is nowhere in {batch:?}");
            }
        }
    }
}
