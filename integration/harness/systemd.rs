//! The part of systemd that a service sees: the socket that it tells things, and one that it inherits.

use std::{
    os::{fd::OwnedFd, unix::net::UnixDatagram},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use super::{PATIENCE, Site, clock, watchd, watched::Watched};

/// One datagram.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) at: Instant,
    pub(crate) lines: Vec<String>,
}

impl Told {
    pub(crate) fn says(&self, assignment: &str) -> bool {
        self.lines.iter().any(|line| line == assignment)
    }

    /// The value that is assigned to `key`.
    pub(crate) fn value(&self, key: &str) -> Option<&str> {
        self.lines.iter().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
    }
}

pub(crate) struct Systemd {
    path: PathBuf,
    told: Arc<Watched<Vec<Told>>>,
}

impl Systemd {
    pub(crate) fn new(site: &Site) -> Self {
        let path = site.path("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let told = Arc::new(Watched::new(Vec::new()));
        let log = Arc::clone(&told);
        thread::spawn(move || {
            let mut datagram = [0; 4096];
            while let Ok(read) = socket.recv(&mut datagram) {
                let text = String::from_utf8_lossy(&datagram[..read]).into_owned();
                let lines = text.lines().map(str::to_owned).collect();
                log.change(|told: &mut Vec<Told>| told.push(Told { at: clock::now(), lines }));
            }
        });
        Self { path, told }
    }

    /// The daemon as a service of `Type=notify`.
    pub(crate) fn service(&self, mut command: Command) -> Command {
        command.env("NOTIFY_SOCKET", &self.path);
        command
    }

    /// As [`Systemd::service`], with `WatchdogSec=`.
    pub(crate) fn watched(&self, command: Command, limit: Duration) -> Command {
        let mut command = self.service(command);
        command.env("WATCHDOG_USEC", limit.as_micros().to_string());
        command
    }

    pub(crate) fn told(&self) -> Vec<Told> {
        self.told.read(Clone::clone)
    }

    /// Waits for a message that satisfies `wanted`, the first `skip` not counted.
    pub(crate) fn wait_after(
        &self,
        skip: usize,
        what: &str,
        wanted: impl Fn(&Told) -> bool,
    ) -> Told {
        let found = self
            .told
            .wait(PATIENCE, |told| told.iter().skip(skip).find(|told| wanted(told)).cloned());
        found.unwrap_or_else(|| panic!("not told within {PATIENCE:?}: {what}: {:?}", self.told()))
    }

    pub(crate) fn wait_for(&self, assignment: &str) -> Told {
        self.wait_after(0, assignment, |told| told.says(assignment))
    }

    /// Waits until `count` messages satisfy `wanted`.
    pub(crate) fn wait_for_count(&self, count: usize, what: &str, wanted: fn(&Told) -> bool) {
        let enough = |told: &Vec<Told>| {
            (told.iter().filter(|told| wanted(told)).count() >= count).then_some(())
        };
        assert!(
            self.told.wait(PATIENCE, enough).is_some(),
            "not {count}: {what}: {:?}",
            self.told()
        );
    }

    /// How often it was told this.
    pub(crate) fn count(&self, assignment: &str) -> usize {
        self.told.read(|told| told.iter().filter(|told| told.says(assignment)).count())
    }
}

/// Starts `watchd` with `socket` as descriptor 3, as a socket unit does. A shell in between gives it the
/// variables, for it becomes the process whose number they name.
pub(crate) fn activated(home: &Path, socket: impl Into<OwnedFd>, names: &str) -> Command {
    let script = "LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=$0; export LISTEN_PID LISTEN_FDS LISTEN_FDNAMES; exec \"$@\" 3<&0 </dev/null";
    let mut command = watchd::command_of("sh", home);
    command.args(["-c", script, names, env!("CARGO_BIN_EXE_watchd")]);
    command.stdin(Stdio::from(socket.into()));
    command
}
