//! The module evaluated anew, in the real list of NixOS modules: where Nix and nixpkgs are, see README.md.

use std::{collections::BTreeSet, env, process::Command};

use serde_json::Value;

use super::{
    configurations, expected, here, read,
    unit_file::{Assignment, parse},
};
use crate::harness::skipped;

/// A part of what `integration/nixos/evaluate` prints, or why it could not be run.
fn evaluate(part: &str) -> Result<Value, String> {
    let Some(nixpkgs) = env::var_os("NIXPKGS") else {
        return Err("not compared: NIXPKGS names no folder with nixpkgs".to_owned());
    };
    let nix = env::var_os("NIX_INSTANTIATE").unwrap_or_else(|| "nix-instantiate".into());
    if Command::new(&nix).arg("--version").output().is_err() {
        return Err("not compared: there is no nix-instantiate".to_owned());
    }
    let mut command = Command::new(here().join("evaluate"));
    let output = command.arg(part).env("NIXPKGS", nixpkgs).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "integration/nixos/evaluate {part}: {said}");
    Ok(serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn the_module_generates_what_is_kept() {
    with("configurations", |all| {
        for name in configurations() {
            let fresh = &all[&name];
            let same = |what: &str, file: &str| {
                let path = expected(&name, file);
                let kept = if path.exists() { Value::from(read(&path)) } else { Value::Null };
                let fresh = fresh.pointer(what).unwrap();
                assert_eq!(
                    *fresh, kept,
                    "{name}/{file}; integration/nixos/update writes them anew"
                );
            };
            same("/units/service", "watchd.service");
            same("/units/socket", "watchd.socket");
            same("/toml", "watchd.toml");
            let beside: Value =
                serde_json::from_str(&read(&expected(&name, "beside.json"))).unwrap();
            assert_eq!(fresh["beside"], beside, "{name}/beside.json");
        }
    });
    with("typed", |typed| {
        let kept: Value = serde_json::from_str(&read(&here().join("expected/typed.json"))).unwrap();
        assert_eq!(*typed, kept, "expected/typed.json");
    });
}

#[test]
fn good_configurations_get_neither_an_assertion_nor_a_warning() {
    with("configurations", |all| {
        for name in configurations() {
            let configuration = &all[&name];
            assert_eq!(configuration["failed"], Value::Array(Vec::new()), "{name}");
            assert_eq!(configuration["warnings"], Value::Array(Vec::new()), "{name}");
        }
    });
}

#[test]
fn bad_configurations_get_one_sentence_that_names_the_option_and_the_way_out() {
    with("refused", |all| {
        let cases = all.as_object().unwrap();
        assert!(cases.len() > 30, "the table is there");
        for (name, case) in cases {
            let kinds = ["failed", "warnings"];
            let said = kinds.map(|kind| case[kind].as_array().unwrap().as_slice()).concat();
            let expected = case["expected"].as_str().unwrap();
            assert_eq!(said.len(), 1, "{name}: {said:#?}");
            let sentence = said[0].as_str().unwrap();
            assert!(sentence.contains(expected), "{name}: {sentence}\nexpected: {expected}");
        }
    });
}

#[test]
fn every_option_has_a_description() {
    with("undocumented", |options| assert_eq!(*options, Value::Array(Vec::new())));
}

#[test]
fn a_change_of_the_settings_reloads_and_nothing_else() {
    with("reloads", |all| {
        for change in ["quiet", "url", "endpoint"] {
            let (gone, come) = changed(all, change);
            let keys: BTreeSet<_> =
                gone.iter().chain(&come).map(|line| line.key.as_str()).collect();
            assert_eq!(keys, BTreeSet::from(["X-Reload-Triggers"]), "{change}");
            assert_ne!(gone, come, "{change}: the trigger is another");
        }
    });
}

#[test]
fn a_change_of_watched_paths_credentials_or_what_a_reload_cannot_change_restarts() {
    with("reloads", |all| {
        for (change, key) in [
            ("path", "WantsMountsFor"),
            ("credential", "LoadCredential"),
            ("format", "X-Restart-Triggers"),
        ] {
            let (gone, come) = changed(all, change);
            assert!(gone.iter().chain(&come).any(|line| line.key == key), "{change}: {come:?}");
        }
    });
}

#[test]
fn a_longer_drain_lengthens_what_a_stop_and_a_reload_may_take() {
    with("reloads", |all| {
        let (_, come) = changed(all, "drain");
        let come: BTreeSet<_> = come.iter().map(ToString::to_string).collect();
        for line in ["[Service] TimeoutStartSec=120s", "[Service] TimeoutStopSec=110s"] {
            assert!(come.contains(line), "{line}: {come:?}");
        }
    });
}

#[test]
fn before_systemd_256_the_mounts_of_watched_paths_are_named_one_by_one() {
    with("systemd255", |old| {
        let new = parse(&read(&expected("everything", "watchd.service")));
        let old = parse(old["service"].as_str().unwrap());
        let gone: Vec<_> = new.difference(&old).map(|line| line.key.as_str()).collect();
        assert_eq!(gone, ["After", "Wants", "WantsMountsFor", "WantsMountsFor"]);
        let come: Vec<_> = old.difference(&new).map(ToString::to_string).collect();
        let mounts = r"watchd.socket srv.mount srv-mail\x20drop.mount srv-incoming.mount";
        assert_eq!(
            come,
            [format!("[Unit] After=network.target {mounts}"), format!("[Unit] Wants={mounts}")]
        );
    });
}

#[test]
fn a_reload_refreshes_credentials_where_systemd_can() {
    with("systemd260", |new| {
        let old = parse(&read(&expected("everything", "watchd.service")));
        let new = parse(new["service"].as_str().unwrap());
        let added: Vec<_> = new.difference(&old).map(ToString::to_string).collect();
        assert_eq!(added, ["[Service] RefreshOnReload=credentials"]);
    });
}

fn with(part: &str, judge: impl FnOnce(&Value)) {
    match evaluate(part) {
        Ok(value) => judge(&value),
        Err(why) => skipped(&why),
    }
}

type Assignments = BTreeSet<Assignment>;

/// What a change takes from the service and adds to it.
fn changed(all: &Value, change: &str) -> (Assignments, Assignments) {
    let service = |change: &str| parse(all[change]["service"].as_str().unwrap());
    let (before, after) = (service("unchanged"), service(change));
    assert_eq!(all["unchanged"]["socket"], all[change]["socket"], "{change}");
    (before.difference(&after).cloned().collect(), after.difference(&before).cloned().collect())
}
