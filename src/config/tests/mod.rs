mod broken;
mod layered;
mod places;

use std::{ffi::OsString, fs, path::Path};

use tempfile::TempDir;

use super::*;

/// The smallest good file.
const GOOD: &str = r#"
[watch.scans]
path = "/srv/incoming"
[endpoint.crm]
url = "https://example.net/hook"
"#;

/// A directory with a configuration file in it, and the sources that name it. The home is `/home/ada`.
fn file(text: &str) -> (TempDir, Sources) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("watchd.toml");
    fs::write(&path, text).unwrap();
    let sources = Sources {
        config: Some(path),
        flags: Flags::default(),
        env: env(&[("HOME", "/home/ada")]),
        cwd: dir.path().to_owned(),
    };
    (dir, sources)
}

fn env(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

/// The sources of a command line without a file, in `/home/ada/here`.
fn bare(dirs: &[&str], url: Option<&str>) -> Sources {
    let flags = Flags {
        dir: dirs.iter().map(PathBuf::from).collect(),
        url: url.map(str::to_owned),
        ..Flags::default()
    };
    Sources {
        config: None,
        flags,
        env: env(&[("HOME", "/home/ada")]),
        cwd: "/home/ada/here".into(),
    }
}

fn good(sources: &Sources) -> Loaded {
    load(sources).unwrap_or_else(|problems| panic!("{problems}"))
}

fn bad(sources: &Sources) -> Problems {
    load(sources).err().expect("a configuration with problems")
}

/// The keys and messages of all problems, one a line.
fn said(problems: &Problems) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

fn watch<'l>(loaded: &'l Loaded, name: &str) -> &'l checked::Watch {
    loaded.config.watches.iter().find(|watch| watch.name.as_str() == name).unwrap()
}

fn endpoint<'l>(loaded: &'l Loaded, name: &str) -> &'l checked::Endpoint {
    loaded.config.endpoints.iter().find(|endpoint| endpoint.name.as_str() == name).unwrap()
}

fn path(text: &str) -> &Path {
    Path::new(text)
}
