//! Other programs that a proof needs.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use super::watchd::finish;

/// Whether `program` can be started.
pub(crate) fn have(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok()
}

/// Has the machine's pip put one package into `dir`, where `PYTHONPATH` finds it; or says why it cannot.
pub(crate) fn python_package(package: &str, dir: &Path) -> Result<PathBuf, String> {
    let pip = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-input",
        "--no-deps",
    ];
    let mut command = Command::new("python3");
    command.args(pip).args(["--retries", "0", "--timeout", "20", "--target"]).arg(dir).arg(package);
    let ran = have("python3").then(|| finish(command)).ok_or("python3 is not installed")?;
    let why = ran.stderr.lines().last().unwrap_or("pip failed").to_owned();
    if ran.status.success() { Ok(dir.to_owned()) } else { Err(why) }
}

/// A Python program that does one step for every line that it is given, and says `done` after each.
pub(crate) struct Steps {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Steps {
    /// `program` is a generator `steps(path)` that yields after each step.
    pub(crate) fn python(program: &str, path: &Path) -> Self {
        let driver = format!(
            "import sys\n{program}\nfor _ in steps(sys.argv[1]):\n    print('done', flush=True)\n    sys.stdin.readline()\n"
        );
        let mut child = Command::new("python3")
            .args(["-c", &driver])
            .arg(path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut steps = Self { child, stdin, stdout };
        steps.wait_done();
        steps
    }

    fn wait_done(&mut self) {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        assert_eq!(line, "done\n", "the helper program made its step");
    }

    /// Has it make the next step.
    pub(crate) fn next(&mut self) {
        self.stdin.write_all(b"\n").unwrap();
        self.wait_done();
    }

    /// Lets the program run to its end.
    pub(crate) fn end(mut self) {
        self.stdin.write_all(b"\n").unwrap();
        assert!(self.child.wait().unwrap().success(), "the helper program ends well");
    }
}
