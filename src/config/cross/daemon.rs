//! The daemon's own tables: state, self check, restart, log, instance.

use std::{path::PathBuf, time::Duration};

use tracing_subscriber::filter::Targets;

use super::Crossing;
use crate::{
    arrival::RelPath,
    config::{
        Sources,
        checked::{Address, Instance, Log, LogFormat, Restart, SelfCheck, State, Watch},
        file, flags,
        problem::{Place, Wrong},
    },
};

const INSTANCE_LEN_MAX: usize = 128;

/// SQLite counts rows in an `i64`; this is far below it, and far above what a small box can hold.
const EVENTS_MAX: u64 = 1_000_000_000;

/// What the journal keeps in the state directory.
const STATE_FILES: [&str; 5] = ["journal.db", "journal.db-wal", "seen.copy", "instance", "lock"];

/// A smaller outbox could not hold one body.
const OUTBOX_BYTES_MIN: u64 = 4096;

/// More often would be work, not a check.
const SELF_CHECK_MIN: Duration = Duration::from_secs(1);

/// A wrong answer now and then is possible; a thousand in a row are not a matter of patience.
const FAILURES_MAX: u64 = 1000;

/// Whoever restarts more often has another problem.
const MAX_AGE_MIN: Duration = Duration::from_secs(10);

impl Crossing<'_> {
    pub(super) fn state(&mut self, typed: &file::State) -> Option<State> {
        let dir = self.state_dir(&typed.dir);
        let key = ["state", "outbox_max_events"];
        let outbox_events_max = self.count(&key, typed.outbox_max_events, 1, EVENTS_MAX);
        let key = ["state", "dead_max_events"];
        let dead_events_max = self.count(&key, typed.dead_max_events, 0, EVENTS_MAX);
        let key = ["state", "outbox_max_size"];
        let known = self.problems.len();
        let outbox_bytes_max = self.size(&key, &typed.outbox_max_size);
        if outbox_bytes_max < OUTBOX_BYTES_MIN && self.problems.len() == known {
            let (least, most) = (OUTBOX_BYTES_MIN, i64::MAX.unsigned_abs());
            self.object(&key, Wrong::Range { number: outbox_bytes_max, least, most });
        }
        Some(State { dir: dir?, outbox_events_max, outbox_bytes_max, dead_events_max })
    }

    fn state_dir(&mut self, typed: &str) -> Option<PathBuf> {
        let key = ["state", "dir"];
        if typed != "auto" {
            return self.absolute(&key, typed);
        }
        let Some(dir) = default_state_dir(self.sources) else {
            self.object(&key, Wrong::NoHome);
            return None;
        };
        // Two daemons that were started by hand with other directories must not share a journal.
        Some(match flags::set_of_dirs(self.sources) {
            Some(hash) => dir.join(format!("dirs-{hash}")),
            None => dir,
        })
    }

    /// What the journal writes must not be an arrival, or each announcement would make the next. And the lease
    /// probe must not open its files: closing one gives up every POSIX lock that this process has on it
    /// (fcntl(2)), which are what keeps others out of the database.
    pub(super) fn state_is_watched(&mut self, state: Option<&State>, watches: &[Watch]) {
        let Some(State { dir, .. }) = state else { return };
        for watch in watches {
            let Some(dir) = RelPath::below(&watch.path, dir) else { continue };
            let is_taken = |name: &&str| watch.selection.takes_file(&dir.join(name.as_bytes()));
            if watch.enters(&dir) && STATE_FILES.iter().any(is_taken) {
                let key = ["watch", watch.name.as_str(), "path"];
                self.object_to_both(&key, &["state", "dir"], Wrong::StateWatched);
            }
        }
    }

    pub(super) fn self_check(&mut self, typed: &file::SelfCheck) -> SelfCheck {
        let interval = self.period(&["self_check", "interval"], &typed.interval, SELF_CHECK_MIN);
        let key = ["self_check", "failures"];
        let failures = self.count(&key, typed.failures, 1, FAILURES_MAX);
        SelfCheck { interval, failures: u32::try_from(failures).unwrap_or(u32::MAX) }
    }

    pub(super) fn restart(&mut self, typed: &file::Restart) -> Restart {
        let key = ["restart", "max_age"];
        let max_age =
            (typed.max_age.0 != "none").then(|| self.period(&key, &typed.max_age, MAX_AGE_MIN));
        Restart { max_age, on_binary_change: typed.on_binary_change }
    }

    pub(super) fn listen(&mut self, typed: &str) -> Option<Address> {
        let key = ["http", "listen"];
        if typed == "none" {
            return None;
        }
        if let Some(path) = typed.strip_prefix("unix:") {
            return self.absolute(&key, path).map(Address::Unix);
        }
        let address = typed.parse().map(Address::Tcp);
        address.map_err(|_| self.object(&key, Wrong::Listen)).ok()
    }

    pub(super) fn log(&mut self, typed: &file::Log) -> Log {
        let mut filter = typed.level.clone();
        if filter.parse::<Targets>().is_err() {
            let known = self.problems.len();
            self.object(&["log", "level"], Wrong::Filter);
            // A bad filter in the environment must not keep a good configuration from starting.
            if let Some(problem) = self.problems.get_mut(known) {
                problem.is_warning = matches!(problem.place, Place::Variable(_));
            }
            "info".clone_into(&mut filter);
        }
        let format = match typed.format {
            file::LogFormat::Auto => LogFormat::Auto,
            file::LogFormat::Text => LogFormat::Text,
            file::LogFormat::Json => LogFormat::Json,
            file::LogFormat::Journal => LogFormat::Journal,
        };
        Log { filter, format }
    }

    pub(super) fn control(&mut self, typed: &str) -> Option<PathBuf> {
        if typed == "auto" { None } else { self.absolute(&["control", "socket"], typed) }
    }

    pub(super) fn instance(&mut self, typed: &str) -> Instance {
        if typed == "auto" {
            return Instance::Auto;
        }
        let visible = typed.chars().all(|c| !c.is_control() && !c.is_whitespace());
        if typed.is_empty() || typed.len() > INSTANCE_LEN_MAX || !visible {
            self.object(&["instance"], Wrong::Instance);
        }
        Instance::Given(typed.to_owned())
    }
}

/// Where the state lies when nothing else is said. systemd.exec(5) gives a list with colons when a unit
/// has several directories; the XDG base directory specification wants relative paths ignored.
pub(in crate::config) fn default_state_dir(sources: &Sources) -> Option<PathBuf> {
    let absolute = |name| sources.variable(name).filter(|path| path.is_absolute());
    if let Some(dirs) = sources.variable("STATE_DIRECTORY") {
        let first = std::env::split_paths(dirs).next()?;
        return first.is_absolute().then_some(first);
    }
    absolute("XDG_STATE_HOME")
        .map(|dir| dir.join("watchd"))
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state/watchd")))
}
