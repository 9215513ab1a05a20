//! Looks at the program at our path, and asks it for its version.

use std::{
    env,
    ffi::OsStr,
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{io::AsyncReadExt as _, process::Command, time::timeout};

use super::binary::Print;
use crate::systemd;

/// How long a new program may take to say its version: a slow disk has to load it.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// More than this is no version.
const ANSWER_LEN_MAX: u64 = 256;

/// Why a new program is not restarted into.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// It cannot be started.
    #[error("it cannot be started: {0}")]
    Start(io::Error),
    /// It ended with something else than 0.
    #[error("`--version` ended with {0}")]
    Failed(std::process::ExitStatus),
    /// It names another program.
    #[error("`--version` names another program")]
    Stranger,
    /// It did not end in time.
    #[error("`--version` took longer than {} s", ANSWER_LIMIT.as_secs())]
    Late,
}

/// The path that this process was started by, made absolute. Not `/proc/self/exe`: that is the file that
/// was started, wherever it went since.
///
/// `None` when whoever started us did not say: the first argument is theirs to choose (execve(2)).
pub fn own_path() -> Option<PathBuf> {
    let called = PathBuf::from(env::args_os().next()?);
    if called.components().count() > 1 {
        return std::path::absolute(called).ok();
    }
    on_path(&called, &env::var_os("PATH")?)
}

fn on_path(program: &Path, dirs: &OsStr) -> Option<PathBuf> {
    let mut files = env::split_paths(dirs).map(|dir| dir.join(program));
    files.find(|file| file.is_file()).and_then(|file| std::path::absolute(file).ok())
}

/// What the path means now, through links; `None` when it means nothing that could be started. May hang
/// as long as the file system does.
pub fn read(path: &Path) -> Option<Print> {
    let found = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    let mtime = (found.mtime(), found.mtime_nsec());
    Some(Print { dev: found.dev(), ino: found.ino(), size: found.len(), mtime })
}

/// Has the program at `path` say its version, which has to be one of ours. It is ended when it is late.
pub async fn ask_version(path: &Path) -> Result<(), NoAnswer> {
    match timeout(ANSWER_LIMIT, answer(path)).await {
        Ok(answer) => answer,
        Err(_) => Err(NoAnswer::Late),
    }
}

async fn answer(path: &Path) -> Result<(), NoAnswer> {
    let mut command = Command::new(path);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    for variable in systemd::VARIABLES {
        command.env_remove(variable);
    }
    let mut child = command.kill_on_drop(true).spawn().map_err(NoAnswer::Start)?;
    let mut said = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        // Closed at the limit: who goes on talking fails.
        stdout.take(ANSWER_LEN_MAX).read_to_end(&mut said).await.map_err(NoAnswer::Start)?;
    }
    let status = child.wait().await.map_err(NoAnswer::Start)?;
    if !status.success() {
        return Err(NoAnswer::Failed(status));
    }
    let name = concat!(env!("CARGO_PKG_NAME"), " ");
    if said.starts_with(name.as_bytes()) { Ok(()) } else { Err(NoAnswer::Stranger) }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    fn program(dir: &Path, text: &str) -> PathBuf {
        let path = dir.join("program");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[tokio::test]
    async fn only_a_program_that_says_our_name_and_ends_well_has_answered() {
        let dir = tempfile::tempdir().unwrap();
        for (text, expected) in [
            ("#!/bin/sh\necho watchd 9.9.9\n", None),
            ("#!/bin/sh\necho watchd 9.9.9; exit 3\n", Some("exit status: 3")),
            ("#!/bin/sh\nexit 0\n", Some("names another program")),
            ("#!/bin/sh\nyes watchd\n", Some("ended with")),
            ("\u{7f}ELF and nothing behind it", Some("cannot be started")),
        ] {
            let answer = ask_version(&program(dir.path(), text)).await;
            let said = answer.err().map(|error| error.to_string());
            match (expected, &said) {
                (Some(expected), Some(said)) => assert!(said.contains(expected), "{text}: {said}"),
                (None, None) => {}
                _ => panic!("{text}: {said:?}"),
            }
        }
    }

    #[test]
    fn a_program_without_a_slash_is_found_where_the_shell_finds_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = program(dir.path(), "");
        let dirs = env::join_paths([Path::new("/nowhere"), dir.path()]).unwrap();
        assert_eq!(on_path(Path::new("program"), &dirs), Some(path.clone()));
        assert_eq!(on_path(Path::new("other"), &dirs), None);
        assert!(read(&path).is_some());
        assert_eq!((read(dir.path()), read(Path::new("/nowhere/x"))), (None, None));
    }
}
