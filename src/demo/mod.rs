//! `watchd demo`: a folder, a receiver and the real daemon in one terminal, with a time line.
//!
//! The daemon is a child process of this very binary, so that what is shown is what runs on a box.

mod receiver;
mod story;
mod writer;

use std::{
    fs, io,
    io::{BufRead, BufReader, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    thread,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use self::story::{Happening, Story};
use crate::clock;

/// The demo's quiet period.
const QUIET: Duration = Duration::from_secs(1);

/// When a step that has not happened by then will not happen any more.
const LIMIT: Duration = Duration::from_secs(40);

/// Happenings that wait to be told.
const TOLD_MAX: usize = 1024;

/// Shows it all. 0 when every step happened, 1 when one did not.
pub fn run(keep: bool) -> ExitCode {
    match play(keep) {
        Ok(missing) if missing.is_empty() => ExitCode::SUCCESS,
        Ok(missing) => {
            say(&format!("\nthis did not happen in time: {}", missing.join(", ")));
            ExitCode::FAILURE
        }
        Err(error) => {
            let _closed = writeln!(io::stderr(), "watchd demo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn play(keep: bool) -> io::Result<Vec<&'static str>> {
    let stage = Stage::set()?;
    let (tell, told) = sync_channel(TOLD_MAX);
    let url = receiver::start(stage.key, tell.clone())?;
    say(&format!(
        "watchd demo: a folder, a receiver and the daemon, all on this machine\n\n  \
         folder    {}\n  receiver  {url}  (checks every signature)\n  \
         daemon    watchd --dir ... --url ... --quiet 1s --secret-file ...\n",
        stage.inbox().display()
    ));
    let mut story = Story::new(clock::mono());
    let mut daemon = Daemon(stage.start_daemon(&url, tell.clone())?);
    let inbox = stage.inbox();
    follow(&mut story, &told, LIMIT, Story::is_watching);
    let _writing =
        thread::Builder::new().name("writer".into()).spawn(move || writer::run(&inbox, &tell))?;
    follow(&mut story, &told, LIMIT, Story::is_complete);
    if keep && story.missing().is_empty() {
        say(&format!("\ndrop files into {} (Ctrl-C ends)\n", stage.inbox().display()));
        follow(&mut story, &told, Duration::MAX, Story::has_ended);
    }
    let status = daemon.stop()?;
    let end = "asked to stop: drained, and ended with";
    say(&format!("{}  {:<13}  {end} {status}", story.clock(), "stopped"));
    let mut missing = story.missing();
    if !status.success() {
        missing.push("a clean stop of the daemon");
    }
    if missing.is_empty() {
        say("\nevery step happened: nothing was announced early, nothing was lost");
    }
    Ok(missing)
}

/// Tells what happens until `until` is true, or `limit` has passed.
fn follow(
    story: &mut Story,
    told: &Receiver<Happening>,
    limit: Duration,
    until: fn(&Story) -> bool,
) {
    let end = clock::mono().checked_add(limit);
    while !until(story) {
        let patience = end.map_or(Duration::from_hours(1), |end: Instant| {
            end.saturating_duration_since(clock::mono())
        });
        match told.recv_timeout(patience) {
            Ok(happening) => {
                if let Some(line) = story.take(&happening, clock::mono()) {
                    say(&line);
                }
            }
            Err(RecvTimeoutError::Timeout) if end.is_none() => {}
            Err(_) => return,
        }
    }
}

#[expect(clippy::print_stdout, reason = "the demo is for reading")]
fn say(line: &str) {
    println!("{line}");
}

/// The temporary directory with everything that the demo needs; removed at the end.
struct Stage {
    dir: PathBuf,
    key: [u8; 32],
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _best_effort = fs::remove_dir_all(&self.dir);
    }
}

impl Stage {
    fn set() -> io::Result<Self> {
        let dir = std::env::temp_dir().join(format!("watchd-demo-{}", std::process::id()));
        fs::DirBuilder::new().mode(0o700).create(&dir)?;
        let mut key = [0; 32];
        rustix::rand::getrandom(&mut key[..], rustix::rand::GetRandomFlags::empty())?;
        let stage = Self { dir, key };
        fs::create_dir(stage.inbox())?;
        fs::write(stage.secret(), format!("whsec_{}\n", STANDARD.encode(key)))?;
        Ok(stage)
    }

    fn inbox(&self) -> PathBuf {
        self.dir.join("inbox")
    }

    fn secret(&self) -> PathBuf {
        self.dir.join("secret")
    }

    /// Its log is what the story is told from.
    fn start_daemon(&self, url: &str, tell: SyncSender<Happening>) -> io::Result<Child> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("run")
            .args([Path::new("--dir"), &self.inbox(), Path::new("--secret-file"), &self.secret()])
            .args([Path::new("--state-dir"), &self.dir.join("state")])
            .args(["--url", url, "--quiet", &format!("{}s", QUIET.as_secs())])
            .env("WATCHD_LOG", "watchd=debug")
            .env("WATCHD_LOG__FORMAT", "json")
            .env("WATCHD_ENDPOINT__DEFAULT__RETRY_DELAYS", r#"["1s"]"#)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(log) = child.stderr.take() {
            thread::Builder::new().name("log".into()).spawn(move || {
                for line in BufReader::new(log).lines().map_while(Result::ok) {
                    if tell.send(Happening::Logged(line)).is_err() {
                        return;
                    }
                }
                let _nobody_listens = tell.send(Happening::DaemonEnded);
            })?;
        }
        Ok(child)
    }
}

/// The daemon's process; it does not outlive the demo.
struct Daemon(Child);

impl Daemon {
    fn stop(&mut self) -> io::Result<ExitStatus> {
        if let Some(pid) = rustix::process::Pid::from_raw(self.0.id().cast_signed()) {
            // It may have ended by itself, on a Ctrl-C that the terminal sent to both of us.
            let _gone = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        self.0.wait()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}
