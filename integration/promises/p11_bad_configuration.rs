//! P11: a bad configuration gets a clear error that names file, line, key and the way out.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use crate::harness::watchd::program;

/// Runs the real binary with nothing of this process's environment but a home.
fn watchd(home: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(program());
    command.args(words).current_dir(home).env_clear().env("HOME", home);
    command.output().unwrap()
}

/// What `watchd check` says about this file, with `[DIR]` for the directory it is in.
fn check(text: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path().to_str().unwrap();
    fs::create_dir(dir.path().join("in")).unwrap();
    let file = dir.path().join("watchd.toml");
    fs::write(&file, text.replace("[DIR]", here)).unwrap();
    let output = watchd(dir.path(), &["check", "--config", file.to_str().unwrap()]);
    let said = format!(
        "exit {}\n{}{}",
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    said.replace(here, "[DIR]")
}

const GOOD: &str = r#"
[watch.scans]
path = "[DIR]/in"

[endpoint.crm]
url = "https://example.net/hook"
"#;

#[test]
fn a_good_file_is_called_good() {
    assert_eq!(check(GOOD), "exit 0\nok: 1 watch, 1 endpoint\n");
}

#[test]
fn unknown_key() {
    insta::assert_snapshot!(check(&format!("{GOOD}tiemout = \"5s\"\n\n[self_chekc]\n")));
}

#[test]
fn wrong_type() {
    let lines = "concurrency = \"8\"\nretry_delays = [\"5s\", 30]\n";
    insta::assert_snapshot!(check(&format!("{GOOD}{lines}")));
}

#[test]
fn nested_roots() {
    // Directories of one length everywhere, because the marks below them are in the snapshot.
    let text = GOOD.replace("[DIR]/in", "/usr");
    insta::assert_snapshot!(check(&format!("{text}\n[watch.deep]\npath = \"/usr/bin\"\n")));
}

#[test]
fn a_journal_that_would_be_announced_is_refused_with_both_keys() {
    for (watch, state, is_refused) in [
        ("", "in/state", true),
        ("", "in", true),
        ("", "in/deep/er", true),
        ("include = [\"*.copy\"]", "in/state", true),
        ("default_excludes = false", "in/.state", true),
        ("", "in/.state", false),
        ("exclude = [\"state/\"]", "in/state", false),
        ("include = [\"*.pdf\"]", "in/state", false),
        ("recursive = false", "in/state", false),
        ("recursive = false", "in", true),
        ("max_depth = 1", "in/deep/er", false),
        ("", "state", false),
        ("", "in-state", false),
    ] {
        let text = GOOD.replace("/in\"\n", &format!("/in\"\n{watch}\n"));
        let said = check(&format!("{text}[state]\ndir = \"[DIR]/{state}\"\n"));
        let names_both = said.starts_with("exit 78\n")
            && ["`watch.scans.path`", "`state.dir`", "`exclude`"]
                .iter()
                .all(|key| said.contains(key));
        let is_as_expected = if is_refused { names_both } else { said.starts_with("exit 0\n") };
        assert!(is_as_expected, "{watch} with the state in {state}: {said}");
    }
}

#[test]
fn bad_url() {
    let text = GOOD.replace("https://example.net/hook", "htps://example.net/canary?token=canary");
    let said = check(&text);
    assert!(!said.contains("canary"), "{said}");
    insta::assert_snapshot!(said);
}

#[test]
fn missing_secret_file() {
    insta::assert_snapshot!(check(&format!("{GOOD}secret_files = [\"crm.key\"]\n")));
}

#[test]
fn bad_glob() {
    insta::assert_snapshot!(check(
        &GOOD.replace("/in\"", "/in\"\ninclude = [\"*.pdf\", \"in/[a\"]")
    ));
}

#[test]
fn duration_without_unit() {
    insta::assert_snapshot!(check(
        &GOOD.replace("/in\"", "/in\"\nquiet = 2\nstuck_after = \"600\"")
    ));
}

#[test]
fn empty_file() {
    insta::assert_snapshot!(check("# nothing yet\n"));
}

#[test]
fn not_toml() {
    insta::assert_snapshot!(check(&GOOD.replace("\"https", "https")));
}

#[test]
fn undefined_endpoint() {
    insta::assert_snapshot!(check(&GOOD.replace("/in\"", "/in\"\nendpoints = [\"crn\"]")));
}

#[test]
fn every_problem_is_reported_at_once() {
    let said =
        check(&format!("{GOOD}attempts = 0\nproxy = \"ftp://proxy\"\n[log]\nformat = \"xml\"\n"));
    for expected in ["crm.attempts`: 0 is out", "crm.proxy`: a proxy is", "log.format`: `xml`"] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert_eq!(said.matches("error: ").count(), 3, "{said}");
}

#[test]
fn exit_codes() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().to_str().unwrap();
    fs::write(dir.path().join("bad.toml"), "x = 1").unwrap();
    let url = "http://127.0.0.1:1/";
    for (words, code) in [
        (&["--version"] as &[&str], 0),
        (&["--help"], 0),
        (&["check", "--dir", root, "--url", url], 0),
        (&["--dir", root, "--url", url, "--print-config"], 0),
        (&[], 2),
        (&["run"], 2),
        (&["check"], 2),
        (&["--no-such-flag"], 2),
        (&["frobnicate"], 2),
        (&["events"], 2),
        (&["check", "--config", "absent.toml"], 78),
        (&["check", "--config", "bad.toml"], 78),
        (&["run", "--config", "bad.toml"], 78),
        (&["--config", "bad.toml"], 78),
        (&["--dir", root], 78),
        (&["--dir", root, "--url", "nonsense"], 78),
        (&["--dir", root, "--url", url, "--listen", "localhost"], 78),
        (&["check", "--dir", "absent", "--url", url], 78),
    ] {
        let output = watchd(dir.path(), words);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{words:?}: {said}");
    }
}
