//! `packaging/` is what the module generates for the minimal configuration, but for this.

use std::collections::BTreeSet;

use super::{
    expected, packaged, read, systemd_analyze,
    unit_file::{Assignment, parse},
};
use crate::harness::skipped;

/// Assignments that only one of them has, as `key=value`, and why.
struct Difference {
    module: &'static [&'static str],
    packaging: &'static [&'static str],
    why: &'static str,
}

const OF_THE_SERVICE: &[Difference] = &[
    Difference {
        module: &["Type=notify-reload"],
        packaging: &["Type=notify", "ExecReload=kill -HUP $MAINPID"],
        why: "systemd 253 is the first with notify-reload, and packaging/ is for 252, too",
    },
    Difference {
        module: &[
            "ExecStart=\"/nix/store/…-watchd/bin/watchd\" \"run\" \"--config\" \"/etc/watchd/watchd.toml\"",
        ],
        packaging: &["ExecStart=/usr/bin/watchd run --config /etc/watchd/watchd.toml"],
        why: "where a package puts the program",
    },
    Difference {
        module: &["ExecPaths=/nix/store"],
        packaging: &["ExecPaths=/usr -/lib -/lib64"],
        why: "the same, with its libraries",
    },
    Difference {
        module: &[],
        packaging: &["LoadCredential=secret:/etc/watchd/secrets"],
        why: "a package does not know the secrets' names: a directory holds them",
    },
    Difference {
        module: &["WantsMountsFor=/srv/incoming"],
        packaging: &[],
        why: "a package does not know the roots",
    },
    Difference {
        module: &[
            "X-Restart-Triggers=/nix/store/…-X-Restart-Triggers-watchd",
            "X-Reload-Triggers=/nix/store/…-X-Reload-Triggers-watchd",
            "X-StopIfChanged=false",
        ],
        packaging: &[],
        why: "these are for the program that switches NixOS to a new configuration",
    },
];

#[test]
fn the_packaged_service_is_the_modules_but_for_what_is_listed() {
    compare("watchd.service", OF_THE_SERVICE);
}

#[test]
fn the_packaged_socket_is_the_modules() {
    compare("watchd.socket", &[]);
}

fn compare(file: &str, allowed: &[Difference]) {
    let module = parse(&without_hashes(&read(&expected("minimal", file))));
    let packaging = parse(&read(&packaged(file)));
    let only = |one: &BTreeSet<Assignment>, other: &BTreeSet<Assignment>| -> BTreeSet<String> {
        one.difference(other).map(|line| format!("{}={}", line.key, line.value)).collect()
    };
    let listed = |side: fn(&Difference) -> &'static [&'static str]| -> BTreeSet<String> {
        allowed.iter().flat_map(side).map(|line| (*line).to_owned()).collect()
    };
    let reasons: Vec<_> = allowed.iter().map(|difference| difference.why).collect();
    let (in_module, in_packaging) = (only(&module, &packaging), only(&packaging, &module));
    assert_eq!(in_module, listed(|d| d.module), "only the module has this; allowed: {reasons:#?}");
    assert_eq!(in_packaging, listed(|d| d.packaging), "only packaging/ has this; {reasons:#?}");
}

/// Store paths without the part that changes with what is in them.
fn without_hashes(unit: &str) -> String {
    let mut parts = unit.split("/nix/store/");
    let before = parts.next().unwrap_or_default().to_owned();
    parts.fold(before, |text, part| {
        let name = part.split_once('-').map_or(part, |(_hash, name)| name);
        text + "/nix/store/…-" + name
    })
}

/// What systemd 252 says of the packaged units, and nothing else. A newer one says nothing.
const UNKNOWN_TO_252: [&str; 2] = ["RestartSteps", "RestartMaxDelaySec"];

#[test]
fn the_packaged_units_are_understood_by_this_machines_systemd() {
    let dir = tempfile::tempdir().unwrap();
    for file in ["watchd.service", "watchd.socket"] {
        // A program that is here: whether ours is installed is not the question.
        let text = read(&packaged(file)).replace("/usr/bin/watchd", "/bin/true");
        std::fs::write(dir.path().join(file), text).unwrap();
    }
    let units = ["watchd.service", "watchd.socket"].map(|file| dir.path().join(file));
    let verify = systemd_analyze().args(["verify", "--man=no"]).args(&units).output();
    let Ok(verify) = verify else { return skipped("there is no systemd-analyze here") };
    let said = String::from_utf8_lossy(&verify.stderr).into_owned();
    let ours = said.lines().filter(|line| line.contains("watchd."));
    let surprising: Vec<_> =
        ours.filter(|line| !UNKNOWN_TO_252.iter().any(|key| line.contains(key))).collect();
    assert!(surprising.is_empty(), "systemd-analyze verify: {surprising:#?}");
    assert!(verify.status.success(), "systemd-analyze verify: {}\n{said}", verify.status);
}
