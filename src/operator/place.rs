//! Where a command finds the daemon, and its journal when it does not run.

use std::{
    fs, io,
    iter::once,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::ExitCode,
};

use crate::{
    check,
    config::{self, Flags, Sources},
    control::{self, Client},
    journal::snapshot::Snapshot,
};

/// Where a package's unit has the state.
const SYSTEM_STATE: &str = "/var/lib/watchd";

/// What the command line says about it.
pub enum Which {
    /// The daemon of this configuration; without a file, that of the defaults.
    Config(Box<Sources>),
    /// The daemon with this state directory.
    StateDir(PathBuf),
}

/// One daemon, running or not.
pub struct Place {
    /// Its state directory.
    pub state_dir: PathBuf,
    socket: PathBuf,
}

impl Which {
    /// The daemon of this file, or with this state directory.
    pub fn of(config: Option<PathBuf>, state_dir: Option<PathBuf>) -> Self {
        let of_config = || Sources::of_process(config, Flags::default());
        state_dir.map_or_else(|| Self::Config(Box::new(of_config())), Self::StateDir)
    }

    /// Looks for it. `Err`: the configuration is not good, which has been said.
    pub fn find(self) -> Result<Place, ExitCode> {
        let sources = match self {
            Self::StateDir(dir) => return Ok(Place::of(dir)),
            Self::Config(sources) => sources,
        };
        if sources.config.is_some() {
            let loaded = config::load(&sources).map_err(|problems| check::refused(&problems))?;
            let state_dir = loaded.config.state.dir;
            return Ok(match loaded.config.control {
                Some(socket) => Place { state_dir, socket },
                None => Place::of(state_dir),
            });
        }
        let dir = config::state_dir(&sources).map_err(|problems| check::refused(&problems))?;
        Ok(Place::of_defaults(dir, Place::of_system()))
    }
}

impl Place {
    fn of(state_dir: PathBuf) -> Self {
        let link = control::link(&state_dir);
        let is_there = link.symlink_metadata().is_ok();
        let socket = if is_there { link } else { control::of(&state_dir) };
        Self { state_dir, socket }
    }

    fn of_system() -> Self {
        let Self { state_dir, socket } = Self::of(SYSTEM_STATE.into());
        let usual = Path::new(control::SYSTEM);
        Self { state_dir, socket: if usual.exists() { usual.into() } else { socket } }
    }

    /// Who answers is the one that is meant: one's own daemon, then that of the system. When none does, it is the
    /// one that has left a journal. A daemon that was started with flags alone has a directory of its own below
    /// the default; of several nobody knows which.
    fn of_defaults(default: PathBuf, system: Self) -> Self {
        let below =
            fs::read_dir(&default).into_iter().flatten().filter_map(|e| Some(e.ok()?.path()));
        let with_journal = below.filter(|below| Snapshot::exists(below));
        let own: Vec<Self> = once(default.clone()).chain(with_journal).map(Self::of).collect();
        let running: Vec<&Self> = own.iter().filter(|place| place.answers()).collect();
        match running.as_slice() {
            [only] => return Self::of(only.state_dir.clone()),
            [] if system.answers() => return system,
            _ => {}
        }
        match own.as_slice() {
            [_, only] if !Snapshot::exists(&default) => Self::of(only.state_dir.clone()),
            [_] if !Snapshot::exists(&default) && Snapshot::exists(&system.state_dir) => system,
            _ => Self::of(default),
        }
    }

    /// Whether a daemon runs there. One that does not let this user ask runs, too.
    fn answers(&self) -> bool {
        let socket = fs::read_link(&self.socket).unwrap_or_else(|_| self.socket.clone());
        match UnixStream::connect(socket) {
            Ok(_) => true,
            Err(error) => error.kind() == io::ErrorKind::PermissionDenied,
        }
    }

    /// The way to ask the daemon, if it runs.
    pub fn client(&self) -> io::Result<Client> {
        Client::new(&self.socket)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    /// State directories that hold a journal, or not.
    struct Bench(tempfile::TempDir);

    impl Bench {
        fn dir(&self, name: &str, has_journal: bool) -> PathBuf {
            let dir = self.0.path().join(name);
            fs::create_dir_all(&dir).unwrap();
            if has_journal {
                fs::write(dir.join("journal.db"), "").unwrap();
            }
            dir
        }

        fn system(&self) -> Place {
            let state_dir = self.0.path().join("system");
            Place { socket: state_dir.join("control.sock"), state_dir }
        }

        /// The name of the directory that is found.
        fn found(&self) -> String {
            let place = Place::of_defaults(self.0.path().join("own"), self.system());
            let name = place.state_dir.strip_prefix(self.0.path()).unwrap();
            name.to_str().unwrap().to_owned()
        }
    }

    fn bench() -> Bench {
        let bench = Bench(tempfile::tempdir().unwrap());
        bench.dir("own", false);
        bench
    }

    /// A daemon, until it is dropped.
    fn runs(dir: &Path) -> UnixListener {
        let socket = dir.join("listens");
        std::os::unix::fs::symlink(&socket, control::link(dir)).unwrap();
        UnixListener::bind(socket).unwrap()
    }

    #[test]
    fn after_a_trial_by_hand_the_daemon_of_the_system_is_the_one_that_is_asked() {
        let bench = bench();
        let system = bench.dir("system", true);
        bench.dir("own/dirs-1", true);
        assert_eq!(bench.found(), "own/dirs-1", "nobody runs");
        let daemon = UnixListener::bind(system.join("control.sock")).unwrap();
        assert_eq!(bench.found(), "system");
        let own = runs(&bench.dir("own/dirs-2", true));
        assert_eq!(bench.found(), "own/dirs-2", "one's own, if it runs");
        drop(own);
        assert_eq!(bench.found(), "system");
        drop(daemon);
        assert_eq!(bench.found(), "own", "nobody knows which");
    }

    #[test]
    fn where_nobody_runs_it_is_the_one_that_has_left_a_journal() {
        let bench = bench();
        assert_eq!(bench.found(), "own", "there is none");
        bench.dir("system", true);
        assert_eq!(bench.found(), "system");
        bench.dir("own/dirs-1", true);
        assert_eq!(bench.found(), "own/dirs-1");
        bench.dir("own", true);
        assert_eq!(bench.found(), "own");
    }
}
