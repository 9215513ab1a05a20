//! The environment as a layer: `WATCHD_ENDPOINT__CRM__CONCURRENCY=8`.

use std::ffi::OsString;

use super::{
    layers::{Entry, Given, KeyPath, Origin},
    problem::{Place, Problem, Wrong},
};

const PREFIX: &str = "WATCHD_";

/// The log filter has a name of its own; it wins over `WATCHD_LOG__LEVEL`.
const LOG: &str = "WATCHD_LOG";

/// The tables at the top of the file: alone they are no name of a value.
const TABLES: &[&str] = &[
    "watch",
    "endpoint",
    "state",
    "shutdown",
    "http",
    "self_check",
    "restart",
    "heartbeat",
    "operations",
    "log",
    "control",
];

/// The entries, lowest first, and what is wrong with some.
pub(super) fn entries(env: &[(OsString, OsString)]) -> (Vec<Entry>, Vec<Problem>) {
    let (mut entries, mut problems) = (Vec::new(), Vec::new());
    let mut ours: Vec<_> = env
        .iter()
        .filter_map(|(name, value)| Some((name.to_str()?, value)))
        .filter(|(name, _)| name.starts_with(PREFIX))
        .collect();
    // By name, so that the order of the environment does not matter; WATCHD_LOG last.
    ours.sort_unstable_by_key(|(name, _)| (*name == LOG, *name));
    for (name, value) in ours {
        let place = || Place::Variable(name.to_owned());
        let Some(path) = path_of(name) else {
            let wrong = Wrong::UnknownKey { near: None, known: &[] };
            problems.push(Problem::new(name, wrong, place()).into_warning());
            continue;
        };
        let Some(text) = value.to_str() else {
            problems.push(Problem::new(name, Wrong::Encoding, place()));
            continue;
        };
        let origin = Origin::Variable(name.to_owned());
        entries.push(Entry { origin, path, value: Given::Text(text.to_owned()) });
    }
    (entries, problems)
}

/// The keys that a variable stands for; `None` when it cannot stand for any.
fn path_of(name: &str) -> Option<KeyPath> {
    if name == LOG {
        return Some(vec!["log".to_owned(), "level".to_owned()]);
    }
    let keys = name.strip_prefix(PREFIX)?.to_ascii_lowercase();
    let mut path: KeyPath = keys.split("__").map(str::to_owned).collect();
    // Names of watches and endpoints have `-`, which a shell does not allow in a variable, and no `_`.
    if let [table, name, ..] = path.as_mut_slice()
        && matches!(table.as_str(), "watch" | "endpoint")
    {
        *name = name.replace('_', "-");
    }
    let is_table = matches!(path.as_slice(), [only] if TABLES.contains(&only.as_str()));
    (!is_table && path.iter().all(|key| !key.is_empty())).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_variables() {
        for (name, path) in [
            ("WATCHD_LOG", Some("log.level")),
            ("WATCHD_INSTANCE", Some("instance")),
            ("WATCHD_STATE__DIR", Some("state.dir")),
            ("WATCHD_SELF_CHECK__FAILURES", Some("self_check.failures")),
            ("WATCHD_ENDPOINT__CRM__SECRET_FILES", Some("endpoint.crm.secret_files")),
            ("WATCHD_WATCH__SCANS_IN__QUIET", Some("watch.scans-in.quiet")),
            ("WATCHD_WATCH", None),
            ("WATCHD_", None),
            ("WATCHD_STATE____DIR", None),
        ] {
            assert_eq!(path_of(name).map(|path| path.join(".")).as_deref(), path, "{name}");
        }
    }
}
