//! `[watch.*]`: what is watched.

use std::{
    path::{Component, Path, PathBuf},
    time::Duration,
};

use super::Crossing;
use crate::{
    arrival::Name,
    config::{
        advice,
        checked::{self, Backend, Initial, Marker},
        file::{self, Settings},
        problem::Wrong,
    },
    globs::Selection,
};

/// Shorter than this no writer can be told from one that is done.
const PERIOD_MIN: Duration = Duration::from_millis(50);

/// Deeper trees exist only by mistake, and every level costs kernel memory.
const DEPTH_MAX: u64 = 4096;

impl Crossing<'_> {
    pub(super) fn watches(&mut self, typed: &Settings) -> Vec<checked::Watch> {
        if typed.watch.is_empty() && !self.is_struck(&["watch"]) {
            self.object(&["watch"], Wrong::NoWatch);
        }
        let known: Vec<String> = typed.endpoint.keys().cloned().collect();
        let mut roots = Vec::new();
        let mut watches = Vec::new();
        for (name, watch) in &typed.watch {
            let root = self.root(name, watch.path.as_deref());
            roots.extend(root.clone().map(|root| (name.as_str(), root)));
            watches.extend(self.watch(name, watch, root, &known));
        }
        self.nested(&roots);
        watches
    }

    fn watch(
        &mut self,
        name: &str,
        typed: &file::Watch,
        path: Option<PathBuf>,
        known: &[String],
    ) -> Option<checked::Watch> {
        let parsed = self.name("watch", name);
        let endpoints = self.announced_to(name, typed.endpoints.as_deref(), known);
        let selection = self.selection(name, typed);
        let (size_min, size_max) = self.sizes(name, typed);
        let done_marker = self.marker(name, &typed.done_marker);
        let depth = self.count(&["watch", name, "max_depth"], typed.max_depth, 0, DEPTH_MAX);
        let mut period = |key, typed| self.period(&["watch", name, key], typed, PERIOD_MIN);
        let quiet = period("quiet", &typed.quiet);
        let poll_interval = period("poll_interval", &typed.poll_interval);
        let rescan_interval = period("rescan_interval", &typed.rescan_interval);
        let stuck_after = period("stuck_after", &typed.stuck_after);
        Some(checked::Watch {
            name: parsed?,
            path: path?,
            endpoints,
            recursive: typed.recursive,
            max_depth: usize::try_from(depth).unwrap_or(usize::MAX),
            selection: selection?,
            size_min,
            size_max,
            quiet,
            writer_detection: typed.writer_detection == file::Detection::Auto,
            done_marker,
            initial: match typed.initial {
                file::Initial::Deliver => Initial::Deliver,
                file::Initial::Baseline => Initial::Baseline,
            },
            require_mount: typed.require_mount,
            backend: match typed.backend {
                file::Backend::Auto => Backend::Auto,
                file::Backend::Events => Backend::Events,
                file::Backend::Poll => Backend::Poll,
            },
            poll_interval,
            rescan_interval,
            stuck_after,
        })
    }

    fn root(&mut self, name: &str, typed: Option<&str>) -> Option<PathBuf> {
        let key = ["watch", name, "path"];
        let Some(typed) = typed else {
            self.object(&key, Wrong::Missing { example: "path = \"/srv/incoming\"" });
            return None;
        };
        self.absolute(&key, typed)
    }

    /// An absolute path without `.`, `..` and doubled slashes, so that paths can be compared by their
    /// components.
    pub(super) fn absolute(&mut self, key: &[&str], typed: &str) -> Option<PathBuf> {
        let path = Path::new(typed);
        let wrong = if typed.is_empty() || typed.contains('\0') {
            Wrong::FileName
        } else if !path.is_absolute() {
            Wrong::RelativePath
        } else if path.components().any(|part| matches!(part, Component::ParentDir)) {
            Wrong::DotDot
        } else {
            return Some(path.components().collect());
        };
        self.object(key, wrong);
        None
    }

    fn announced_to(
        &mut self,
        name: &str,
        typed: Option<&[String]>,
        known: &[String],
    ) -> Vec<Name> {
        let key = ["watch", name, "endpoints"];
        let named = match (typed, known) {
            (Some([]), _) => {
                self.object(&key, Wrong::EmptyList);
                &[]
            }
            (Some(named), _) => named,
            (None, [only]) => std::slice::from_ref(only),
            // That there is none is said once, not for each watch.
            (None, []) => &[],
            (None, known) => {
                self.object(&key, Wrong::WhichEndpoint { known: known.to_vec() });
                &[]
            }
        };
        for (at, endpoint) in named.iter().enumerate() {
            let element = self.element(&key, at);
            let element = ["watch", name, "endpoints", &element];
            if !known.contains(endpoint) && !self.is_struck(&["endpoint", endpoint]) {
                let near = advice::nearest(endpoint, known).and_then(|at| known.get(at).cloned());
                let (name, known) = (endpoint.clone(), known.to_vec());
                self.object(&element, Wrong::Undefined { name, near, known });
            } else if named.iter().take(at).any(|earlier| earlier == endpoint) {
                self.object(&element, Wrong::Twice { name: endpoint.clone() });
            }
        }
        named.iter().filter_map(|name| Name::parse(name)).collect()
    }

    fn selection(&mut self, name: &str, typed: &file::Watch) -> Option<Selection> {
        let before = self.problems.len();
        for (key, patterns) in [("include", &typed.include), ("exclude", &typed.exclude)] {
            for (at, pattern) in patterns.iter().enumerate() {
                if let Err(reason) = glob(pattern) {
                    let element = self.element(&["watch", name, key], at);
                    let element = ["watch", name, key, &element];
                    self.object(&element, Wrong::Glob { reason });
                }
            }
        }
        if self.problems.len() > before {
            return None;
        }
        let selection = Selection::new(&typed.include, &typed.exclude, typed.default_excludes);
        selection
            .map_err(|(_, error)| {
                let reason = error.kind().to_string();
                self.object(&["watch", name, "exclude"], Wrong::Glob { reason });
            })
            .ok()
    }

    fn sizes(&mut self, name: &str, typed: &file::Watch) -> (u64, Option<u64>) {
        let min = self.size(&["watch", name, "min_size"], &typed.min_size);
        let key = ["watch", name, "max_size"];
        let max = (typed.max_size.0 != "none").then(|| self.size(&key, &typed.max_size));
        if max.is_some_and(|max| max < min) {
            self.object_to_both(&key, &["watch", name, "min_size"], Wrong::SizeOrder);
        }
        (min, max)
    }

    fn marker(&mut self, name: &str, typed: &str) -> Option<Marker> {
        if typed == "none" {
            return None;
        }
        let parts: Vec<&str> = typed.split("{name}").collect();
        let wrong = match parts.as_slice() {
            _ if typed.contains('/') => Wrong::MarkerSlash,
            _ if typed.contains('\0') => Wrong::FileName,
            ["", ""] => Wrong::MarkerSame,
            [prefix, suffix] => {
                let (prefix, suffix) = (prefix.as_bytes().to_vec(), suffix.as_bytes().to_vec());
                return Some(Marker { prefix, suffix });
            }
            _ => Wrong::MarkerName,
        };
        self.object(&["watch", name, "done_marker"], wrong);
        None
    }

    /// Two watches must not see the same file: it would have two names, and two event ids.
    fn nested(&mut self, roots: &[(&str, PathBuf)]) {
        for (at, one) in roots.iter().enumerate() {
            for other in roots.iter().skip(at + 1) {
                let (inner, outer) =
                    if one.1.starts_with(&other.1) { (one, other) } else { (other, one) };
                if !inner.1.starts_with(&outer.1) {
                    continue;
                }
                let same = inner.1 == outer.1;
                let wrong = if same { Wrong::SameDirectory } else { Wrong::Nested };
                self.object_to_both(
                    &["watch", inner.0, "path"],
                    &["watch", outer.0, "path"],
                    wrong,
                );
            }
        }
    }
}

/// Whether one pattern is good, and if not, why.
fn glob(pattern: &str) -> Result<(), String> {
    if pattern.trim_matches('/').is_empty() {
        return Err("it matches nothing".to_owned());
    }
    if pattern.starts_with('!') {
        return Err(
            "`!` is not possible here; use the other list, or `\\!` for the character".to_owned()
        );
    }
    match Selection::new(&[pattern.to_owned()], &[], false) {
        Ok(_) => Ok(()),
        Err((_, error)) => Err(error.kind().to_string()),
    }
}
