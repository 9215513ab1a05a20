//! The units: what the NixOS module generates, what other distributions get, and that both fit the program.
//! README.md says what is compared with what.

mod evaluated;
mod generated;
mod packaging;
mod unit_file;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The configurations whose output is kept.
fn configurations() -> Vec<String> {
    let entries = fs::read_dir(here().join("eval/configurations")).unwrap();
    let name = |entry: fs::DirEntry| entry.file_name().into_string().ok();
    let files = entries.map(|entry| name(entry.unwrap()).expect("names are text"));
    let names = files.filter_map(|file| Some(file.strip_suffix(".nix")?.to_owned()));
    let mut names: Vec<_> = names.collect();
    names.sort();
    assert!(names.len() >= 3, "{names:?}");
    names
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("integration/nixos")
}

fn expected(configuration: &str, file: &str) -> PathBuf {
    here().join("expected").join(configuration).join(file)
}

fn packaged(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging").join(file)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A newer one than this machine's can be named: the limits are those of systemd 262.
fn systemd_analyze() -> Command {
    let program = std::env::var_os("SYSTEMD_ANALYZE").unwrap_or_else(|| "systemd-analyze".into());
    Command::new(program)
}
