"""Builds watchd, the receiver and the peers. A peer that cannot be built is named, with the reason."""

import os, pathlib, shutil, subprocess, sys, typing

from .place import BENCH, HERE, TARGET, TOP

PACKAGES = {"go": ["golang-go", "golang-github-fsnotify-fsnotify-dev"], "node": ["nodejs", "npm"],
            "inotifywait": ["inotify-tools", "curl"], "python": ["python3-venv"]}
GO_SOURCE = "/usr/share/gocode/src/github.com/fsnotify/fsnotify"
WATCHDOG, CHOKIDAR = "watchdog==7.1.0", "chokidar@4.0.3"


class Recipe(typing.NamedTuple):
    """How a daemon is started, and how it says that it watches."""
    command: typing.Callable  # of root, URL, quiet in ms, and a place for its state
    ready: str | None = "ready"
    knows_quiet: bool = True
    runs_max: int = 1000
    files_max: int = 10_000_000


class CannotBuild(Exception):
    pass


def watchd(binary=None):
    """The static binary, for that is what is shipped."""
    if binary is None:
        build = TOP / "integration" / "static" / "build"
        target = f"{os.uname().machine}-unknown-linux-musl"
        made = subprocess.run([build, target], stdout=subprocess.PIPE, text=True)
        if made.returncode == 3:
            raise CannotBuild("the static binary cannot be built here, see above; --watchd takes another")
        made.check_returncode()
        binary = pathlib.Path(made.stdout.strip())
    return binary.absolute()


def receiver(into):
    binary = into / "receiver"
    subprocess.run(["cc", "-O2", "-o", binary, HERE / "receiver.c"], check=True)
    return binary


def recipes(wanted, into, binary):
    """Each that is wanted and can be built, in this order."""
    found, skipped = {}, {}
    for name in wanted:
        try:
            found[name] = BUILDERS[name](into) if name != "watchd" else of_watchd(watchd(binary))
        except CannotBuild as problem:
            skipped[name] = str(problem)
            print(f"SKIPPED, NOT COMPARED: {name}: {problem}", file=sys.stderr)
    return found, skipped


def of_watchd(binary):
    return Recipe(lambda root, url, quiet, state: [binary, "--dir", root, "--url", url, "--quiet", f"{quiet}ms",
                                                   "--state-dir", state], ready=None)


def needs(kind, *programs):
    """Installs what is missing where that is allowed."""
    lacking = lambda: [program for program in programs if not (shutil.which(program) or os.path.isdir(program))]
    if lacking() and os.geteuid() == 0 and shutil.which("apt-get"):
        print("installing:", *PACKAGES[kind], file=sys.stderr)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(["apt-get", "update"], **quiet)
        subprocess.run(["apt-get", "install", "-y", "--no-install-recommends", *PACKAGES[kind]], **quiet)
    if lacking():
        raise CannotBuild(f"no {' '.join(lacking())} (Debian: apt-get install {' '.join(PACKAGES[kind])})")


def done(command, **how):
    found = subprocess.run(command, capture_output=True, text=True, **how)
    if found.returncode:
        raise CannotBuild(f"{command[0]}: {(found.stderr or found.stdout).strip()[-300:]}")


def fsnotify(into):
    needs("go", "go", GO_SOURCE)
    env = dict(os.environ, GO111MODULE="off", GOPATH="/usr/share/gocode", GOCACHE=str(BENCH / "go-build"), GOFLAGS="")
    done(["go", "build", "-o", into / "fsnotify", HERE / "peers" / "fsnotify.go"], env=env)
    return Recipe(lambda root, url, quiet, _: [into / "fsnotify", root, url, f"{quiet}ms"])


def python_watchdog(_into):
    needs("python", "python3")
    home = BENCH / "python"
    if not (home / WATCHDOG).exists():
        done(["python3", "-m", "venv", "--clear", home])
        done([home / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", WATCHDOG])
        (home / WATCHDOG).touch()
    program = [home / "bin" / "python", HERE / "peers" / "observe.py"]
    return Recipe(lambda root, url, quiet, _: [*program, root, url, str(quiet / 1000)])


def chokidar(_into):
    needs("node", "node", "npm")
    home = BENCH / "node"
    if not (home / CHOKIDAR).exists():
        home.mkdir(parents=True, exist_ok=True)
        done(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", home, CHOKIDAR])
        (home / CHOKIDAR).touch()
    shutil.copy(HERE / "peers" / "observe.mjs", home)  # modules are looked for beside the file
    return Recipe(lambda root, url, quiet, _: ["node", home / "observe.mjs", root, url, str(quiet / 1000)])


def inotifywait(_into):
    needs("inotifywait", "inotifywait", "curl")
    script = HERE / "peers" / "observe.sh"
    # A process for each file: 10,000 of them, five times over, would take a quarter of an hour to say the same.
    return Recipe(lambda root, url, quiet, _: [script, root, url], ready="established", knows_quiet=False,
                  runs_max=1, files_max=2000)


BUILDERS = {"watchd": None, "fsnotify": fsnotify, "watchdog": python_watchdog, "chokidar": chokidar,
            "inotifywait": inotifywait}
