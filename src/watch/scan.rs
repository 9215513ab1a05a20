//! Walking a directory tree, a slice at a time, so that hints are handled in between.

use std::{collections::HashSet, io, path::Path, sync::Arc};

use super::rules::{Role, Rules};
use crate::{
    arrival::{Kind, RelPath, Sample},
    directory::{Directory, Entry},
    filesystem::Policy,
};

/// Directories that may join a walk under way. Each joins once, so that every walk ends however often
/// they change.
const LATE_MAX: usize = 4096;

/// One walk over one or more places of a root.
#[derive(Debug)]
pub(crate) struct Walk {
    root: Arc<Path>,
    places: Vec<RelPath>,
    /// Entered from the end.
    todo: Vec<Place>,
    late: HashSet<RelPath>,
    open: Option<OpenDir>,
}

/// A directory to enter.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Which.
    pub(crate) rel: RelPath,
    /// Whether it joined the walk under way, or lies in one that did.
    is_late: bool,
}

#[derive(Debug)]
struct OpenDir {
    place: Place,
    dir: Directory,
}

/// Selected regular files of one directory.
#[derive(Debug)]
pub(crate) struct Slice {
    /// What to expect of this directory's file system.
    pub(crate) policy: Policy,
    /// Whether the directory came while the walk was under way.
    pub(crate) is_late: bool,
    /// The files.
    pub(crate) files: Vec<(RelPath, Sample)>,
    /// Others, whose size does not count.
    pub(crate) other_size: u64,
}

impl Walk {
    /// A walk over `places` and everything below them.
    pub(crate) fn over(root: Arc<Path>, places: impl IntoIterator<Item = RelPath>) -> Self {
        let mut roots: Vec<RelPath> = Vec::new();
        // Sorted order puts a directory before what lies below it.
        for place in places {
            if !roots.iter().any(|root| place.is_within(root)) {
                roots.push(place);
            }
        }
        let begin = |rel: &RelPath| Place { rel: rel.clone(), is_late: false };
        let todo = roots.iter().rev().map(begin).collect();
        Self { root, places: roots, todo, late: HashSet::new(), open: None }
    }

    /// Has `dir` walked next, though it was not there when the walk began. False when that must wait for
    /// another walk.
    pub(crate) fn join(&mut self, dir: &RelPath) -> bool {
        if dir.is_root() || self.late.len() >= LATE_MAX || !self.late.insert(dir.clone()) {
            return false;
        }
        if !self.places.iter().any(|place| dir.is_within(place)) {
            self.places.push(dir.clone());
        }
        self.todo.push(Place { rel: dir.clone(), is_late: true });
        true
    }

    /// Whether it covers the whole root.
    pub(crate) fn is_whole(&self) -> bool {
        self.places.iter().any(RelPath::is_root)
    }

    /// Where it started, and what joined it.
    pub(crate) fn into_places(self) -> (Vec<RelPath>, HashSet<RelPath>) {
        (self.places, self.late)
    }

    /// Whether a directory is open and has more to read.
    pub(crate) fn is_reading(&self) -> bool {
        self.open.is_some()
    }

    /// The next directory to enter; `None` when the walk has ended.
    pub(crate) fn next_dir(&mut self) -> Option<Place> {
        self.todo.pop()
    }

    /// Opens a directory, which must be armed before it is read, and says what to expect of its file system.
    pub(crate) fn enter(&mut self, place: Place) -> io::Result<Policy> {
        // The root may be a symbolic link that the operator configured; nothing below it may.
        let dir = Directory::open(&place.rel.under(&self.root), place.rel.is_root())?;
        let policy = dir.policy();
        self.open = Some(OpenDir { place, dir });
        Ok(policy)
    }

    /// Reads on, at most `entries_max` entries; directories among them are kept for later.
    pub(crate) fn read(
        &mut self,
        rules: &Rules<'_>,
        entries_max: usize,
    ) -> Result<Slice, (RelPath, io::Error)> {
        let Some(mut open) = self.open.take() else { return Ok(Slice::empty()) };
        let (policy, is_late) = (open.dir.policy(), open.place.is_late);
        let mut slice = Slice { policy, is_late, files: Vec::new(), other_size: 0 };
        for _ in 0..entries_max {
            let Some(entry) = open.dir.next_entry() else { return Ok(slice) };
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => return Err((open.place.rel, error)),
            };
            match look(&open, &entry, rules) {
                Some(Look::Dir(rel)) => self.todo.push(Place { rel, is_late }),
                Some(Look::File(rel, sample)) => slice.files.push((rel, sample)),
                Some(Look::OtherSize) => slice.other_size += 1,
                None => {}
            }
        }
        self.open = Some(open);
        Ok(slice)
    }
}

impl Slice {
    fn empty() -> Self {
        Self { policy: Policy::of(0), is_late: false, files: Vec::new(), other_size: 0 }
    }
}

enum Look {
    Dir(RelPath),
    File(RelPath, Sample),
    OtherSize,
}

/// Judges one entry; stats it only when its name and type leave that open.
fn look(open: &OpenDir, entry: &Entry, rules: &Rules<'_>) -> Option<Look> {
    let rel = open.place.rel.join(entry.name());
    match entry.kind() {
        Some(Kind::Dir) => return rules.enters(&rel).then_some(Look::Dir(rel)),
        Some(Kind::File) | None => {}
        Some(Kind::Symlink | Kind::Other) => return None,
    }
    let candidate = rules.role(&rel) == Role::Candidate;
    if !candidate && entry.kind() == Some(Kind::File) {
        return None;
    }
    // It may have gone since it was listed; then there is nothing to tell.
    let sample = open.dir.sample(entry).ok()?;
    match sample.kind {
        Kind::Dir => rules.enters(&rel).then_some(Look::Dir(rel)),
        Kind::File if !candidate => None,
        Kind::File if !rules.takes_size(sample.size) => Some(Look::OtherSize),
        Kind::File => Some(Look::File(rel, sample)),
        Kind::Symlink | Kind::Other => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{super::tests, *};

    fn path(text: &str) -> RelPath {
        RelPath::from_bytes(text.as_bytes())
    }

    /// Every file that the rest of the walk meets, in order.
    fn rest(walk: &mut Walk, rules: &Rules<'_>) -> Vec<(String, bool)> {
        let mut met = Vec::new();
        while walk.is_reading() || walk.next_dir().is_some_and(|place| walk.enter(place).is_ok()) {
            let slice = walk.read(rules, 1).unwrap();
            met.extend(slice.files.iter().map(|(path, _)| (path.to_string(), slice.is_late)));
        }
        met
    }

    #[test]
    fn a_directory_that_comes_during_a_walk_is_walked_next_and_everything_in_it_is_late() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a", "new/deep"] {
            fs::create_dir_all(dir.path().join(name)).unwrap();
            fs::write(dir.path().join(name).join("file"), "").unwrap();
        }
        let watch = tests::watch(dir.path());
        let mut walk = Walk::over(dir.path().into(), [path("a")]);
        assert!(!walk.is_whole() && walk.join(&path("new")));
        assert!(!walk.join(&path("new")), "once for each walk, or it would never end");
        assert!(!walk.join(&RelPath::root()), "the whole is another walk");
        let met = rest(&mut walk, &Rules::of(&watch));
        assert_eq!(met, [("new/deep/file".to_owned(), true), ("a/file".to_owned(), false)]);
        let (places, late) = walk.into_places();
        assert_eq!(places, [path("a"), path("new")], "a walk that begins again covers both");
        assert_eq!(late, HashSet::from([path("new")]));
    }

    #[test]
    fn no_more_directories_join_than_there_is_room_for() {
        let mut walk = Walk::over(Path::new("/nowhere").into(), [RelPath::root()]);
        let joined = (0..=LATE_MAX).filter(|n| walk.join(&path(&n.to_string()))).count();
        assert_eq!((joined, walk.todo.len()), (LATE_MAX, LATE_MAX + 1));
        assert_eq!(walk.into_places().0, [RelPath::root()]);
    }
}
