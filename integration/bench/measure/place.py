"""Where things are, and that nothing of them stays behind."""

import contextlib, ctypes, os, pathlib, signal, subprocess, sys, tempfile, typing

HERE = pathlib.Path(__file__).resolve().parent.parent
TOP = HERE.parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or TOP / "target").absolute()
BENCH = TARGET / "bench"


class Place(typing.NamedTuple):
    """Two directories of this run: on a disk, and where the watched files are."""
    state: pathlib.Path
    files: pathlib.Path


@contextlib.contextmanager
def place(files_on):
    """Makes both, and removes both however the run ends."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, end)
    BENCH.mkdir(parents=True, exist_ok=True)
    with (tempfile.TemporaryDirectory(dir=BENCH, prefix="run-") as state,
          tempfile.TemporaryDirectory(dir=files_on, prefix="watchd-bench-") as files):
        if file_system_of(state) == "tmpfs":
            print("NOT A MEASUREMENT: a commit to tmpfs costs nothing; set CARGO_TARGET_DIR to a disk", file=sys.stderr)
        yield Place(pathlib.Path(state), pathlib.Path(files).resolve())


def end(number, _):
    """Ends the run, once: a second signal must not interrupt the cleaning."""
    for other in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(other, signal.SIG_IGN)
    sys.exit(128 + number)


def die_with_us():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: nothing stays behind, however this ends


def file_system_of(path):
    best = ("", "unknown")
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        mount = left.split()[4]
        if pathlib.Path(path).resolve().is_relative_to(mount) and len(mount) >= len(best[0]):
            best = (mount, right.split()[0])
    return best[1]


def commit():
    found = subprocess.run(["git", "-C", TOP, "describe", "--always", "--dirty"], capture_output=True, text=True)
    return found.stdout.strip() or "unknown"


def machine():
    """What every table has to say about where it was made."""
    model = next((line.partition(": ")[2] for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), os.uname().machine)
    return {"cpus": os.cpu_count(), "model": model, "kernel": os.uname().release, "load": round(os.getloadavg()[0], 2),
            "commit": commit(), "disk": file_system_of(BENCH)}


class Disk:
    """An ext4 of its own on a loop device, whose counters no neighbour moves."""

    def __init__(self, parent, mebibytes=512):
        self.image, self.mount = parent / "disk.img", parent / "disk"
        self.mount.mkdir()
        self.undo = contextlib.ExitStack()
        with contextlib.ExitStack() as undo:
            with open(self.image, "wb") as image:
                image.truncate(mebibytes << 20)
            undo.callback(self.image.unlink)
            options = "lazy_itable_init=0,lazy_journal_init=0"  # nothing is written by the kernel on its own
            self.command("mkfs.ext4", "-q", "-E", options, self.image)
            self.device = self.command("losetup", "--find", "--show", self.image)
            undo.callback(self.command, "losetup", "--detach", self.device)
            self.command("mount", "-o", "noatime", self.device, self.mount)
            undo.callback(self.command, "umount", self.mount)
            self.undo = undo.pop_all()

    @staticmethod
    def command(*words):
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()

    def written(self):
        """Bytes that reached the device, the file system's own journal included, with all that waited."""
        self.command("sync", "--file-system", self.mount)
        counters = pathlib.Path(f"/sys/block/{pathlib.Path(self.device).name}/stat").read_text().split()
        return int(counters[6]) * 512

    def close(self):
        self.undo.close()
