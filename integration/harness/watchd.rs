//! The daemon under test, and other runs of the same binary.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use super::{
    PATIENCE,
    log::{Line, Log, said},
    watched::Watched,
};

/// A running daemon. Dropping it kills it; when the test is failing, its log is printed.
pub(crate) struct Watchd {
    child: Child,
    log: Arc<Watched<Log>>,
}

/// How one run of a command ended.
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A command line of the real binary in an environment that holds nothing but a temporary home.
pub(crate) fn command(home: &Path) -> Command {
    command_of(program(), home)
}

/// The binary that is proven: cargo's, or the one that `WATCHD_PROVEN` names (`integration/static/`).
pub(crate) fn program() -> PathBuf {
    let own = || PathBuf::from(env!("CARGO_BIN_EXE_watchd"));
    std::env::var_os("WATCHD_PROVEN").map_or_else(own, PathBuf::from)
}

pub(crate) fn command_of(program: impl AsRef<OsStr>, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().current_dir(home).stdin(Stdio::null());
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    for name in ["HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME", "TMPDIR"] {
        command.env(name, home);
    }
    command
}

/// Runs a command to its end; panics when it does not end.
pub(crate) fn finish(mut command: Command) -> Finished {
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command starts");
    let stdout = collect(child.stdout.take().expect("stdout is a pipe"));
    let stderr = collect(child.stderr.take().expect("stderr is a pipe"));
    let closed = [&stdout, &stderr].map(|out| out.wait(PATIENCE, |o| o.closed.then_some(())));
    let text =
        |out: &Watched<Collected>| out.read(|o| String::from_utf8_lossy(&o.bytes).into_owned());
    if closed.contains(&None) {
        drop(child.kill());
        panic!("{command:?} did not end; it said\n{}\n{}", text(&stdout), text(&stderr));
    }
    Finished {
        status: child.wait().expect("the command is waited for"),
        stdout: text(&stdout),
        stderr: text(&stderr),
    }
}

#[derive(Default)]
struct Collected {
    bytes: Vec<u8>,
    closed: bool,
}

fn collect(mut pipe: impl Read + Send + 'static) -> Arc<Watched<Collected>> {
    let collected = Arc::new(Watched::new(Collected::default()));
    let writer = Arc::clone(&collected);
    thread::spawn(move || {
        let mut chunk = [0; 8192];
        while let Ok(n @ 1..) = pipe.read(&mut chunk) {
            writer.change(|c| c.bytes.extend_from_slice(&chunk[..n]));
        }
        writer.change(|c| c.closed = true);
    });
    collected
}

impl Watchd {
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let log = Arc::new(Watched::new(Log::default()));
        let stderr = child.stderr.take().expect("stderr is a pipe");
        let writer = Arc::clone(&log);
        thread::spawn(move || {
            let mut reader = BufReader::new(stderr);
            let mut line = Vec::new();
            while let Ok(1..) = reader.read_until(b'\n', &mut line) {
                let text = String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned();
                writer.change(|log| log.lines.push(Line::new(text)));
                line.clear();
            }
            writer.change(|log| log.closed = true);
        });
        Self { child, log }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `count` watches are armed and have had their first scan.
    pub(crate) fn wait_ready(&self, count: usize) -> &Self {
        self.wait_for_count(said::WATCHING, count);
        self
    }

    /// Waits for a line that satisfies `wanted`.
    pub(crate) fn wait_for_log(&self, what: &str, wanted: impl Fn(&Line) -> bool) -> Line {
        let found = self.log.wait(PATIENCE, |log| match log.lines.iter().find(|l| wanted(l)) {
            Some(line) => Some(Some(line.clone())),
            None => log.closed.then_some(None),
        });
        match found {
            Some(Some(line)) => line,
            Some(None) => panic!("the daemon ended without saying: {what}"),
            None => panic!("not said within {PATIENCE:?}: {what}"),
        }
    }

    /// Waits for a message of [`said`].
    pub(crate) fn wait_for(&self, message: &str) -> Line {
        self.wait_for_log(message, |line| line.says(message))
    }

    /// Waits until `message` was said `count` times.
    pub(crate) fn wait_for_count(&self, message: &str, count: usize) {
        let said = |log: &Log| log.lines.iter().filter(|line| line.says(message)).count();
        let outcome = self.log.wait(PATIENCE, |log| {
            if said(log) >= count { Some(true) } else { log.closed.then_some(false) }
        });
        assert_eq!(outcome, Some(true), "{message:?} was not said {count} times");
    }

    /// Waits until `message` was said `count` times of a file whose path ends in `name`.
    pub(crate) fn wait_for_file(&self, message: &str, name: &str, count: usize) {
        let said = |log: &Log| log.lines.iter().filter(|line| line.says_of(message, name)).count();
        let seen = self.log.wait(PATIENCE, |log| (said(log) >= count).then_some(()));
        assert!(seen.is_some(), "{message:?} was not said of {name} {count} times");
    }

    /// All that was said so far.
    pub(crate) fn lines(&self) -> Vec<Line> {
        self.log.read(|log| log.lines.clone())
    }

    pub(crate) fn count(&self, message: &str) -> usize {
        self.log.read(|log| log.lines.iter().filter(|line| line.says(message)).count())
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// A function that kills the daemon at once, for use in a receiver's script.
    pub(crate) fn killer(&self) -> impl Fn() + Send + use<> {
        let pid = self.pid();
        move || signal(pid, "KILL")
    }

    pub(crate) fn kill9(&mut self) {
        self.child.kill().expect("SIGKILL is sent");
        self.child.wait().expect("the daemon is waited for");
    }

    pub(crate) fn wait_exit(&mut self, limit: Duration) -> ExitStatus {
        let ended = self.log.wait(limit, |log| log.closed.then_some(()));
        assert!(ended.is_some(), "the daemon did not end within {limit:?}");
        self.child.wait().expect("the daemon is waited for")
    }

    /// Asks the daemon to stop and checks that it did so cleanly.
    pub(crate) fn stop(mut self) {
        self.signal("TERM");
        let status = self.wait_exit(PATIENCE);
        assert_eq!(status.code(), Some(0), "SIGTERM ends the daemon with exit code 0");
    }

    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// How many threads of this name there are (proc(5), `comm`).
    pub(crate) fn threads(&self, name: &str) -> usize {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
        let named =
            tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
        named.filter(|comm| comm.trim_end() == name).count()
    }

    /// Resident memory in KiB.
    pub(crate) fn memory_kib(&self) -> u64 {
        self.status_kib("VmRSS:")
    }

    /// The most resident memory that there ever was, in KiB.
    pub(crate) fn memory_peak_kib(&self) -> u64 {
        self.status_kib("VmHWM:")
    }

    fn status_kib(&self, key: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

fn signal(pid: u32, name: &str) {
    let script = format!("kill -{name} {pid}");
    let status = Command::new("sh").args(["-c", &script]).status().expect("sh starts");
    assert!(status.success(), "SIG{name} is sent to {pid}");
}

impl Drop for Watchd {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if thread::panicking() {
            let lines = self.lines();
            let shown = lines.len().saturating_sub(150);
            eprintln!("---- log of the daemon, pid {}, from line {}", self.pid(), shown + 1);
            for line in &lines[shown..] {
                eprintln!("{}", line.raw.chars().take(600).collect::<String>());
            }
        }
    }
}
