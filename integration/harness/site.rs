//! One temporary place with everything that one daemon needs.

use std::{
    fs,
    io::Read,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use super::{Config, Watchd, watchd};

/// A signing secret in the form that operators write into a file.
pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

pub(crate) struct Site {
    dir: TempDir,
}

impl Site {
    pub(crate) fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("watchd-proof-").tempdir().unwrap();
        fs::create_dir(dir.path().join("in")).unwrap();
        fs::write(dir.path().join("secret"), format!("{SECRET}\n")).unwrap();
        Self { dir }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The watched directory.
    pub(crate) fn root(&self) -> PathBuf {
        self.path("in")
    }

    /// A directory on the same file system that is not watched.
    pub(crate) fn outside(&self) -> PathBuf {
        let outside = self.path("outside");
        fs::create_dir_all(&outside).unwrap();
        outside
    }

    pub(crate) fn state_dir(&self) -> PathBuf {
        self.path("state")
    }

    pub(crate) fn home(&self) -> &Path {
        self.dir.path()
    }

    /// A configuration with one watch, `inbox`, and one endpoint, `crm`.
    pub(crate) fn config(&self, url: &str) -> Config {
        Config::new(self, url)
    }

    /// A run of `watchd` with these arguments.
    pub(crate) fn watchd(&self, args: &[&str]) -> Command {
        let mut command = watchd::command(self.home());
        command.args(args);
        command
    }

    /// The whole daemon by flags alone.
    pub(crate) fn bare(&self, url: &str) -> Watchd {
        let mut command = watchd::command(self.home());
        command.arg("--dir").arg(self.root()).args(["--url", url, "--quiet", "300ms"]);
        command.arg("--state-dir").arg(self.state_dir());
        command.arg("--secret-file").arg(self.path("secret"));
        command.env("WATCHD_LOG", "info").env("WATCHD_LOG__FORMAT", "json");
        Watchd::spawn(command)
    }

    /// The database: the one file in the state directory that begins like SQLite's.
    pub(crate) fn database(&self) -> PathBuf {
        let is_database = |path: &PathBuf| {
            let mut magic = [0; 16];
            let read = fs::File::open(path).and_then(|mut file| file.read_exact(&mut magic));
            read.is_ok() && magic == *b"SQLite format 3\0"
        };
        let mut found: Vec<_> = self.state_files().into_iter().filter(is_database).collect();
        assert_eq!(found.len(), 1, "one database in the state directory: {found:?}");
        found.remove(0)
    }

    pub(crate) fn state_files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.state_dir()).unwrap();
        entries.map(|e| e.unwrap().path()).filter(|p| p.is_file()).collect()
    }

    /// Removes the write-ahead log and its index, which belong to the database.
    pub(crate) fn remove_wal(&self) {
        let database = self.database();
        let name = database.file_name().unwrap().to_str().unwrap().to_owned();
        for suffix in ["-wal", "-shm"] {
            let path = database.with_file_name(format!("{name}{suffix}"));
            if path.exists() {
                fs::remove_file(path).unwrap();
            }
        }
    }

    /// Opens the place to everybody, for a daemon that runs as nobody.
    pub(crate) fn open_to_all(&self) {
        for path in [self.home().to_path_buf(), self.root(), self.outside()] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
        }
        fs::set_permissions(self.path("secret"), fs::Permissions::from_mode(0o644)).unwrap();
    }
}
