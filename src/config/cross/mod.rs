//! The crossing from what was typed to what is used. It goes on after a problem, to find the others.

mod daemon;
mod endpoint;
mod later;
mod network;
mod operations;
mod request;
mod watch;

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use super::{
    Context, Reading, Sources, advice, checked,
    file::{Count, Period, Settings, Size},
    layers::{KeyPath, Misfit, MisfitKind, Origin},
    problem::{Place, Problem, Wrong},
    units,
};
use crate::{arrival::Name, secret};

pub(super) use daemon::default_state_dir;

/// Checks everything.
pub(super) fn cross(sources: &Sources, context: Context, problems: Vec<Problem>) -> Reading {
    let mut crossing = Crossing { sources, context, problems, struck: BTreeSet::new() };
    let (settings, misfits) = crossing.context.layers.settings();
    for misfit in misfits {
        crossing.misfit(misfit);
    }
    let Some(typed) = settings else {
        return Reading::failed(crossing.context, crossing.problems);
    };
    let config = crossing.config(&typed);
    Reading { config, typed, context: crossing.context, problems: crossing.problems }
}

struct Crossing<'s> {
    sources: &'s Sources,
    context: Context,
    problems: Vec<Problem>,
    /// What was taken out because its name or type is wrong: nothing more is said about it.
    struck: BTreeSet<KeyPath>,
}

impl Crossing<'_> {
    fn config(&mut self, typed: &Settings) -> Option<checked::Config> {
        let endpoints = self.endpoints(typed);
        let watches = self.watches(typed);
        self.later(typed);
        let state = self.state(&typed.state);
        self.state_is_watched(state.as_ref(), &watches);
        let listen = self.listen(&typed.http.listen);
        let log = self.log(&typed.log);
        let control = self.control(&typed.control.socket);
        let instance = self.instance(&typed.instance);
        let drain = self.period(&["shutdown", "drain"], &typed.shutdown.drain, Duration::ZERO);
        let self_check = self.self_check(&typed.self_check);
        let restart = self.restart(&typed.restart);
        let operations = self.operations(typed);
        let heartbeat = self.heartbeat(&typed.heartbeat);
        let state = state?;
        Some(checked::Config {
            instance,
            watches,
            endpoints,
            state,
            drain,
            listen,
            self_check,
            restart,
            log,
            control,
            operations,
            heartbeat,
        })
    }

    /// A key or type that the file shape does not know.
    fn misfit(&mut self, misfit: Misfit) {
        let leaf = misfit.path.last().cloned().unwrap_or_default();
        let in_file = self.context.document.as_ref().is_some_and(|d| d.has(&misfit.path));
        let (wrong, is_unknown) = match misfit.kind {
            MisfitKind::UnknownKey(known) => {
                let near = advice::nearest(&leaf, known).and_then(|at| known.get(at).copied());
                (Wrong::UnknownKey { near, known }, true)
            }
            MisfitKind::UnknownWord(word, known) => {
                let near = advice::nearest(&word, known).and_then(|at| known.get(at).copied());
                (Wrong::UnknownWord { word, near, known }, false)
            }
            MisfitKind::Type { found, expected, unitless } => {
                (Wrong::Type { found, expected, unitless }, false)
            }
        };
        let key_span = self.context.document.as_ref().and_then(|d| d.key_span(&misfit.path));
        let place = match key_span.filter(|_| in_file && is_unknown) {
            Some(span) => Place::Span(span),
            None => self.context.place(&misfit.path),
        };
        // Other programs set variables that begin like ours: WATCHD_PORT of a container, for one.
        let harmless = is_unknown && matches!(place, Place::Variable(_));
        let problem = Problem::new(&dotted(&misfit.path), wrong, place);
        self.problems.push(if harmless { problem.into_warning() } else { problem });
        self.struck.insert(misfit.path);
    }

    /// Reports what is wrong with one key, unless it was already reported in another way.
    fn object(&mut self, path: &[&str], wrong: Wrong) {
        let path: KeyPath = path.iter().map(|key| (*key).to_owned()).collect();
        if !self.struck.contains(&path) {
            let place = self.context.place(&path);
            self.problems.push(Problem::new(&dotted(&path), wrong, place));
        }
    }

    /// Reports a contradiction between two keys.
    fn object_to_both(&mut self, path: &[&str], other: &[&str], wrong: Wrong) {
        let known = self.problems.len();
        self.object(path, wrong);
        let other: KeyPath = other.iter().map(|key| (*key).to_owned()).collect();
        let side = (dotted(&other), self.context.place(&other));
        if let Some(problem) = self.problems.get_mut(known) {
            problem.other = Some(side);
        }
    }

    /// Whether this key, or one below it, was taken out.
    fn is_struck(&self, path: &[&str]) -> bool {
        self.struck.iter().any(|s| s.len() >= path.len() && s.iter().zip(path).all(|(a, b)| a == b))
    }

    /// The number in the file of what is now element `at` of a list, from which others were taken out.
    fn element(&self, list: &[&str], at: usize) -> String {
        let gone = self.struck.iter().filter_map(|path| match path.split_last() {
            Some((index, rest)) if rest == list => index.parse::<usize>().ok(),
            _ => None,
        });
        let mut gone: Vec<usize> = gone.collect();
        gone.sort_unstable();
        let written = gone.iter().fold(at, |at, gone| at + usize::from(*gone <= at));
        written.to_string()
    }

    fn name(&mut self, table: &str, name: &str) -> Option<Name> {
        let parsed = Name::parse(name);
        if parsed.is_none() {
            let path = vec![table.to_owned(), name.to_owned()];
            let span = self.context.document.as_ref().filter(|d| d.has(&path));
            let span = span.and_then(|d| d.key_span(&path));
            let place = span.map_or_else(|| self.context.place(&path), Place::Span);
            self.problems.push(Problem::new(&dotted(&path), Wrong::Name, place));
        }
        parsed
    }

    /// A duration of at least `least`; what is returned after a problem is never used.
    fn period(&mut self, path: &[&str], typed: &Period, least: Duration) -> Duration {
        match units::parse_period(&typed.0) {
            Ok(period) if period < least => self.object(path, Wrong::TooShort { least }),
            Ok(period) => return period,
            Err(bad) => self.object(path, Wrong::Period(bad)),
        }
        least
    }

    fn size(&mut self, path: &[&str], typed: &Size) -> u64 {
        units::parse_size(&typed.0).unwrap_or_else(|bad| {
            self.object(path, Wrong::Size(bad));
            0
        })
    }

    fn count(&mut self, path: &[&str], typed: Count, least: u64, most: u64) -> u64 {
        if !(least..=most).contains(&typed.0) {
            self.object(path, Wrong::Range { number: typed.0, least, most });
        }
        typed.0.clamp(least, most)
    }

    /// The path of a file that is named in the configuration: where a unit's credentials are, if it is
    /// there, or else beside the configuration file.
    fn file(&mut self, path: &[&str], typed: &str) -> Option<PathBuf> {
        if secret::looks_like_secret(typed.trim_start()) || typed.contains("://") {
            self.object(path, Wrong::InlineSecret);
            return None;
        }
        if typed.is_empty() || typed.contains('\0') {
            self.object(path, Wrong::FileName);
            return None;
        }
        let path: KeyPath = path.iter().map(|key| (*key).to_owned()).collect();
        let credential = self.sources.variable("CREDENTIALS_DIRECTORY").map(|dir| dir.join(typed));
        if let Some(credential) = credential.filter(|file| file.exists()) {
            return Some(credential);
        }
        Some(match self.context.layers.origin(&path) {
            Origin::Flag(_) => self.sources.cwd.join(typed),
            _ => self.sources.base().join(typed),
        })
    }
}

impl Context {
    /// Where a value was set; for one that is missing, where its table is.
    pub(super) fn place(&self, path: &[String]) -> Place {
        let origin = self.layers.origin(path);
        // A table may have been touched by several layers: then the file is the one to show.
        let span = self.document.as_ref().and_then(|document| document.span(path));
        match (origin, span) {
            (Origin::File, Some(span)) => Place::Span(span),
            (_, Some(span)) if !self.layers.has_value(path) => Place::Span(span),
            (Origin::Variable(name), _) => Place::Variable(name),
            (Origin::Flag(name), _) => Place::Flag(name),
            (Origin::File, None) => Place::Whole,
        }
    }
}

/// A key as it is named in a report: the number of a list's element is left out.
pub(super) fn dotted(path: &[String]) -> String {
    let is_index = |key: &String| key.bytes().all(|b| b.is_ascii_digit());
    let keys = match path.split_last() {
        Some((last, rest)) if rest.len() > 2 && is_index(last) => rest,
        _ => path,
    };
    keys.join(".")
}
