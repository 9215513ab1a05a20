//! The command line as a layer, and the names that bare directories get.

use std::{
    collections::BTreeSet,
    os::unix::ffi::OsStrExt,
    path::{Component, Path, PathBuf},
};

use super::{
    Sources,
    layers::{Entry, Given, Layers, Origin},
    problem::{Place, Problem, Wrong},
};
use crate::arrival::Name;

/// The endpoint of a configuration without a file.
const ENDPOINT: &str = "default";

/// The flags that set something. Not `Debug`: a URL may be a secret.
#[derive(Clone, Default, clap::Args)]
pub struct Flags {
    /// Watch this directory; can be given several times
    #[arg(long, value_name = "DIR")]
    pub dir: Vec<PathBuf>,
    /// Announce to this URL
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// How long a file must stay unchanged, such as 2s
    #[arg(long, value_name = "DURATION")]
    pub quiet: Option<String>,
    /// Sign with the secret in this file; can be given several times, newest first
    #[arg(long, value_name = "FILE")]
    pub secret_file: Vec<PathBuf>,
    /// Take only files that match; can be given several times
    #[arg(long, value_name = "GLOB")]
    pub include: Vec<String>,
    /// Leave out files that match; can be given several times
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<String>,
    /// Keep the journal here
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Serve the pages here, such as 127.0.0.1:9464
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
}

/// The entries, and what is wrong with some. `below` are the layers that flags lie over.
pub(super) fn entries(sources: &Sources, below: &Layers) -> (Vec<Entry>, Vec<Problem>) {
    let flags = &sources.flags;
    let mut layer = Layer::default();
    let mut watches = below.names("watch");
    for dir in &flags.dir {
        if let Some((name, path)) = layer.directory(dir, &sources.cwd) {
            layer.put("--dir", &["watch", &name, "path"], Given::Text(path));
            watches.push(name);
        }
    }
    for watch in &watches {
        let lists =
            [("--include", "include", &flags.include), ("--exclude", "exclude", &flags.exclude)];
        for (flag, key, list) in lists.into_iter().filter(|(_, _, list)| !list.is_empty()) {
            layer.put(flag, &["watch", watch, key], Given::List(list.clone()));
        }
        if let Some(quiet) = &flags.quiet {
            layer.put("--quiet", &["watch", watch, "quiet"], Given::Text(quiet.clone()));
        }
    }
    layer.endpoint(flags, below.names("endpoint"));
    if let Some(dir) = &flags.state_dir
        && let Some(dir) = layer.absolute("--state-dir", dir, &sources.cwd)
    {
        layer.put("--state-dir", &["state", "dir"], Given::Text(dir));
    }
    if let Some(address) = &flags.listen {
        layer.put("--listen", &["http", "listen"], Given::Text(address.clone()));
    }
    (layer.entries, layer.problems)
}

#[derive(Default)]
struct Layer {
    entries: Vec<Entry>,
    problems: Vec<Problem>,
}

impl Layer {
    fn put(&mut self, flag: &str, path: &[&str], value: Given) {
        let path = path.iter().map(|key| (*key).to_owned()).collect();
        self.entries.push(Entry { origin: Origin::Flag(flag.to_owned()), path, value });
    }

    fn wrong(&mut self, flag: &str, wrong: Wrong) {
        self.problems.push(Problem::new(flag, wrong, Place::Flag(flag.to_owned())));
    }

    /// The flags that are about the one endpoint there is, or about `default` when there is none.
    fn endpoint(&mut self, flags: &Flags, mut known: Vec<String>) {
        if known.is_empty() {
            known.push(ENDPOINT.to_owned());
        }
        let files: Option<Vec<String>> =
            flags.secret_file.iter().map(|file| file.to_str().map(str::to_owned)).collect();
        let given = [
            ("--url", "url", flags.url.clone().map(Given::Text)),
            (
                "--secret-file",
                "secret_files",
                files.clone().filter(|f| !f.is_empty()).map(Given::List),
            ),
        ];
        if files.is_none() {
            self.wrong("--secret-file", Wrong::Encoding);
        }
        for (flag, key, value) in given {
            match (value, known.as_slice()) {
                (None, _) => {}
                (Some(value), [endpoint]) => self.put(flag, &["endpoint", endpoint, key], value),
                (Some(_), _) => self.wrong(flag, Wrong::WhichEndpointFlag { known: known.clone() }),
            }
        }
    }

    /// The name and the absolute path of a bare directory.
    fn directory(&mut self, dir: &Path, cwd: &Path) -> Option<(String, String)> {
        let path = self.absolute("--dir", dir, cwd)?;
        Some((watch_name(Path::new(&path)), path))
    }

    fn absolute(&mut self, flag: &str, dir: &Path, cwd: &Path) -> Option<String> {
        let found = absolute(dir, cwd);
        let Some(path) = found.as_deref().and_then(Path::to_str) else {
            self.wrong(flag, if found.is_none() { Wrong::DotDot } else { Wrong::Encoding });
            return None;
        };
        Some(path.to_owned())
    }
}

/// Makes a path absolute without following the symbolic links in it, except where a `..` comes after
/// them: only the file system knows what that means. `None` when it does not.
fn absolute(path: &Path, cwd: &Path) -> Option<PathBuf> {
    let whole = cwd.join(path);
    let parts: Vec<Component<'_>> = whole.components().collect();
    let Some(last) = parts.iter().rposition(|part| matches!(part, Component::ParentDir)) else {
        return Some(parts.iter().collect());
    };
    let (climbing, rest) = parts.split_at_checked(last + 1)?;
    let mut found = climbing.iter().collect::<PathBuf>().canonicalize().ok()?;
    found.extend(rest);
    Some(found)
}

/// What the watch of a bare directory is called: its last component as far as a [`Name`] can hold it, and
/// a short hash of the whole path, because two directories may end alike. It is part of every event id.
fn watch_name(path: &Path) -> String {
    let last = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let words: String = last.chars().map(plain).collect();
    let words: Vec<&str> = words.split('-').filter(|word| !word.is_empty()).collect();
    let mut name = words.join("-");
    name.truncate(Name::LEN_MAX - 1 - 8);
    let name = name.trim_end_matches('-');
    let hash = blake3::hash(path.as_os_str().as_bytes()).to_hex();
    let hash: String = hash.chars().take(8).collect();
    if name.is_empty() { format!("dir-{hash}") } else { format!("{name}-{hash}") }
}

/// What tells apart the default state directories of daemons that were started with different bare
/// directories; `None` when there are none, or there is a file. The order of the directories does not matter.
pub(super) fn set_of_dirs(sources: &Sources) -> Option<String> {
    if sources.config.is_some() || sources.flags.dir.is_empty() {
        return None;
    }
    let dirs: BTreeSet<PathBuf> =
        sources.flags.dir.iter().filter_map(|dir| absolute(dir, &sources.cwd)).collect();
    let mut hash = blake3::Hasher::new();
    for dir in dirs {
        hash.update(dir.as_os_str().as_bytes());
        // No path contains a zero byte, so no two sets run into one.
        hash.update(&[0]);
    }
    Some(hash.finalize().to_hex().chars().take(12).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_directories() {
        for (path, front) in [
            ("/srv/incoming", "incoming-"),
            ("/srv/My Scans (2)", "my-scans-2-"),
            ("/", "dir-"),
            ("/srv/日本", "dir-"),
            ("/srv/--", "dir-"),
            ("/srv/a_b.c", "a-b-c-"),
        ] {
            let name = watch_name(Path::new(path));
            assert!(name.starts_with(front) && name.len() == front.len() + 8, "{path}: {name}");
        }
        // Part of every event id, so it must never change.
        assert_eq!(watch_name(Path::new("/srv/incoming")), "incoming-494323df");
        assert_ne!(watch_name(Path::new("/a/in")), watch_name(Path::new("/b/in")));
    }

    proptest! {
        #[test]
        fn every_directory_gets_a_valid_name(path in "/\\PC{0,300}") {
            let name = watch_name(Path::new(&path));
            prop_assert!(Name::parse(&name).is_some(), "{name}");
        }
    }
}
