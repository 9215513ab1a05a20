//! Looking at a file whose quiet period has passed: has it stayed as it was, and is a writer left?

use std::{io, path::Path};

use super::tracker::Outcome;
use crate::{
    arrival::{Kind, RelPath, Sample},
    filesystem::Policy,
    lease::{self, Asked},
    stat,
};

/// The file systems that hold what is looked at in one go, all of it below one root. Files come in heaps: the
/// directory of the file before is not asked about again.
#[derive(Default)]
pub(super) struct Places(Option<(RelPath, Policy)>);

impl Places {
    /// The policy of the file system that holds `dir`, a directory below `root`.
    pub(super) fn policy(&mut self, root: &Path, dir: RelPath) -> io::Result<Policy> {
        if let Some((_, policy)) = self.0.as_ref().filter(|(last, _)| *last == dir) {
            return Ok(*policy);
        }
        let policy = stat::place_policy(&dir.under(root))?;
        self.0 = Some((dir, policy));
        Ok(policy)
    }
}

/// Looks at the file `path`. `detect` says whether writers may be asked for at all.
///
/// `policy` is of the file system of the directory that holds the file, as it is for scans: something
/// else may be mounted below the root, and both must come to the same version.
pub(super) fn look(path: &Path, policy: Policy, before: Option<&Sample>, detect: bool) -> Outcome {
    let found = if detect && policy.lease {
        open_and_ask(path, before, policy)
    } else {
        stat_only(path, policy)
    };
    found.unwrap_or_else(failed)
}

/// What it means that it could not be looked at.
pub(super) fn failed(error: io::Error) -> Outcome {
    match error {
        error if stat::is_absence(&error) => Outcome::Gone,
        error if stat::is_shortage(&error) => Outcome::Short(error),
        error => Outcome::Unclear(error),
    }
}

fn open_and_ask(path: &Path, before: Option<&Sample>, policy: Policy) -> io::Result<Outcome> {
    Ok(match lease::ask(path, before)? {
        Asked::Writing => Outcome::Writing,
        Asked::File { sample, unwritten } => Outcome::Looked { sample, policy, asked: unwritten },
        Asked::NotAFile => Outcome::NotAFile,
        // The name is enough to announce it; only the writer cannot be asked for.
        Asked::Forbidden => return stat_only(path, policy),
    })
}

fn stat_only(path: &Path, policy: Policy) -> io::Result<Outcome> {
    let sample = if policy.events { stat::entry(path) } else { stat::entry_at_source(path) }?;
    Ok(match sample.kind {
        Kind::File => Outcome::Looked { sample, policy, asked: false },
        _ => Outcome::NotAFile,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrival::Identity;

    #[test]
    fn what_a_version_is_made_of_follows_from_where_the_file_lies() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "x").unwrap();
        let there = stat::place_policy(dir.path()).unwrap().identity;
        // procfs stands for a file system that is mounted below the root, and that nobody knows.
        let version = Path::new("/proc/version");
        let mut places = Places::default();
        for (path, identity) in [(path.as_path(), there), (version, Identity::SizeAndTime)] {
            let dir = RelPath::below(Path::new("/"), path.parent().unwrap()).unwrap();
            let policy = places.policy(Path::new("/"), dir).unwrap();
            for detect in [true, false] {
                let found = look(path, policy, None, detect);
                let same =
                    matches!(found, Outcome::Looked { policy, .. } if policy.identity == identity);
                assert!(same, "{}: {found:?}", path.display());
            }
        }
    }

    #[test]
    fn a_place_that_is_gone_is_gone_and_one_that_cannot_be_looked_at_is_unclear() {
        let dir = tempfile::tempdir().unwrap();
        let policy = stat::place_policy(dir.path()).unwrap();
        assert!(matches!(look(&dir.path().join("x"), policy, None, true), Outcome::Gone));
        let missing = Places::default().policy(dir.path(), RelPath::from_bytes(b"missing"));
        assert!(matches!(failed(missing.unwrap_err()), Outcome::Gone));
        let long = dir.path().join("x".repeat(300));
        assert!(matches!(look(&long, policy, None, true), Outcome::Unclear(_)));
        let shortage = rustix::io::Errno::MFILE.into();
        assert!(matches!(failed(shortage), Outcome::Short(_)));
    }
}
