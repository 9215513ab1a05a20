//! What the receiver noted. The file is outside of its container and outlives it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde_json::Value;

/// The watched directory, as the daemon sees it.
const WATCHED: &str = "/site/in/";

/// By path below the watched directory.
#[derive(Default)]
pub(crate) struct Record {
    /// Path to the requests that came for it, in order: id and body.
    pub(crate) got: BTreeMap<String, Vec<(String, String)>>,
    /// Paths with an answer that the receiver got rid of.
    pub(crate) answered: BTreeMap<String, usize>,
}

impl Record {
    pub(crate) fn read(file: &Path) -> Self {
        let mut record = Self::default();
        for line in fs::read_to_string(file).unwrap_or_default().lines() {
            let line: Value = serde_json::from_str(line).expect("lines are written whole");
            let text = |key: &str| line["request"][key].as_str().expect("a string").to_owned();
            let path = text("path").trim_start_matches(WATCHED).to_owned();
            if line["what"] == "got" {
                record.got.entry(path).or_default().push((text("id"), text("body")));
            } else {
                *record.answered.entry(path).or_default() += 1;
            }
        }
        record
    }

    pub(crate) fn requests_for(&self, path: &str) -> usize {
        self.got.get(path).map_or(0, Vec::len)
    }

    pub(crate) fn lacks(&self, paths: &[String]) -> Vec<String> {
        paths.iter().filter(|path| !self.answered.contains_key(*path)).cloned().collect()
    }

    /// Nothing was made up, and what came again is the same to the byte.
    pub(crate) fn assert_same_each_time(&self, paths: &[String]) {
        let known: BTreeSet<&String> = paths.iter().collect();
        let mut ids = BTreeSet::new();
        for (path, requests) in &self.got {
            assert!(known.contains(path), "{path} never landed");
            assert!(requests.iter().all(|request| *request == requests[0]), "{path}: {requests:?}");
            assert!(ids.insert(&requests[0].0), "{path} has the id of another file");
        }
    }
}
