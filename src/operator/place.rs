//! Where a command finds the daemon, and its journal when it does not run.

use std::{
    fs, io,
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
        Ok(Place::of_defaults(dir))
    }
}

impl Place {
    fn of(state_dir: PathBuf) -> Self {
        let link = control::link(&state_dir);
        let is_there = link.symlink_metadata().is_ok();
        let socket = if is_there { link } else { control::of(&state_dir) };
        Self { state_dir, socket }
    }

    /// One's own daemon when there is or was one, otherwise that of the system. A daemon that was started with
    /// flags alone has a directory of its own below the default.
    fn of_defaults(default: PathBuf) -> Self {
        let below =
            fs::read_dir(&default).into_iter().flatten().filter_map(|e| Some(e.ok()?.path()));
        let mut with_journal = below.filter(|below| Snapshot::exists(below));
        match (Snapshot::exists(&default), with_journal.next(), with_journal.next()) {
            (false, Some(only), None) => Self::of(only),
            (false, None, _) if Path::new(control::SYSTEM).exists() => {
                Self { state_dir: SYSTEM_STATE.into(), socket: control::SYSTEM.into() }
            }
            (false, None, _) if Snapshot::exists(Path::new(SYSTEM_STATE)) => {
                Self::of(SYSTEM_STATE.into())
            }
            _ => Self::of(default),
        }
    }

    /// The way to ask the daemon, if it runs.
    pub fn client(&self) -> io::Result<Client> {
        Client::new(&self.socket)
    }
}
