"""Files that are present and known: what they cost at a start, and in memory; watchd only."""

import contextlib, os, select, socket, subprocess, time

from . import counters
from .daemon import QUIET_MS, Daemon
from .place import die_with_us

IN_EACH = 1000
PATIENCE_S = 600


class Watched(Daemon):
    """A watchd whose log is read and who tells a service manager that it is ready."""

    def start(self):
        self.notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        address = self.state / f"notify-{time.monotonic_ns()}"
        self.notices.bind(str(address))
        env = os.environ | {"NOTIFY_SOCKET": str(address), "WATCHD_LOG": "warn,watchd::watch=info"}
        self.began = time.monotonic()
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=env,
                                        stderr=subprocess.PIPE, start_new_session=True, preexec_fn=die_with_us)
        self.pid = self.process.pid

    def seen(self):
        """Milliseconds until READY=1, and seconds until everything present was compared with the journal."""
        ready = watching = None
        log = self.process.stderr.fileno()
        while ready is None or watching is None:
            left = self.began + PATIENCE_S - time.monotonic()
            readable = select.select([self.notices, log], [], [], max(0, left))[0]
            if not readable:
                raise TimeoutError("watchd did not get ready")
            at = time.monotonic() - self.began
            if self.notices in readable and b"READY=1" in self.notices.recv(4096):
                ready = at * 1000
            if log in readable:
                text = os.read(log, 65536)
                if not text:
                    raise RuntimeError(f"watchd ended: {self.process.wait()}")
                if b"watching" in text:
                    watching = at
        return {"ready_ms": ready, "reconciled_s": watching}

    def close(self):
        super().close()
        self.process.stderr.close()
        self.notices.close()


def known(start, many, directories=None):
    """`many` files that are recorded silently, and then a start with all of them known."""
    more = {"watch": {"initial": "baseline"}}
    daemon = start("watchd", kind=Watched, more=more, warm=False, directories=directories or 0)
    with contextlib.closing(daemon):
        daemon.seen()
        daemon.stop()
        if many:
            daemon.make("spread", 0, many, IN_EACH)
        # The state begins anew: what is there at a first scan is the baseline.
        daemon.command = start.anew(daemon, more)
        daemon.start()
        first = daemon.seen()["reconciled_s"]
        daemon.stop()
        daemon.process.stderr.close()
        daemon.receiver.expect(many + 1)
        daemon.start()
        found = daemon.seen()
        time.sleep(4 * QUIET_MS / 1000)
        if announced := daemon.receiver.have():
            raise RuntimeError(f"{announced} files were announced: they were not known")
        return found | {
            "first_scan_s": first,
            "cpu_ms": counters.fine_cpu_ms(daemon.pid),
            "anon_mib": counters.memory_mib(daemon.pid, "RssAnon"),
            "peak_rss_mib": counters.memory_mib(daemon.pid, "VmHWM"),
        }


def archive(start, names, options):
    empty, full = known(start, 0), known(start, options.present)
    each = lambda key: (full[key] - empty[key]) * 1024 * 1024 / options.present
    return {"watchd": {"files": options.present, **full, "bytes_per_file": each("peak_rss_mib"),
                       "anon_bytes_per_file": each("anon_mib")}}


def size(start, names, options):
    """Of the binary itself."""
    return {"watchd": {"size_mb": os.path.getsize(start.recipe("watchd").command("", "", 0, "")[0]) / 1e6}}
