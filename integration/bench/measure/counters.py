"""What the kernel counted for a process and all its children, those that have ended included where it tells."""

import contextlib, os, pathlib

TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")


def tree(pid):
    pids = [pid]
    for at in pids:
        with contextlib.suppress(OSError):
            for task in pathlib.Path(f"/proc/{at}/task").iterdir():
                pids += map(int, (task / "children").read_text().split())
    return pids


def of_each(pid, file):
    """The text of /proc/PID/FILE of each that still lives."""
    for at in tree(pid):
        with contextlib.suppress(OSError):
            yield pathlib.Path(f"/proc/{at}/{file}").read_text()


def tasks(pid):
    for at in tree(pid):
        with contextlib.suppress(OSError):
            yield from pathlib.Path(f"/proc/{at}/task").iterdir()


def keyed(text, key):
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith(key + ":"))


def memory_mib(pid, key):
    """VmRSS, VmHWM or RssAnon; children that ended are not in it."""
    return sum(keyed(text, key) for text in of_each(pid, "status")) / 1024


def cpu_ms(pid):
    """User and system time, of children that ended too."""
    fields = (text.rpartition(")")[2].split() for text in of_each(pid, "stat"))
    return sum(int(field) for of_one in fields for field in of_one[11:15]) * TICK_MS


def fine_cpu_ms(pid):
    """Nanosecond resolution, for threads that stay."""
    total = 0
    for task in tasks(pid):
        with contextlib.suppress(OSError):
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1e6


def wake_ups(pid):
    """How often any thread went to sleep, which is how often it was woken."""
    total = 0
    for task in tasks(pid):
        with contextlib.suppress(OSError):
            total += keyed((task / "status").read_text(), "voluntary_ctxt_switches")
    return total


def write_bytes(pid):
    """Bytes that the process made the page cache send to a disk; `flash` counts at the device."""
    return sum(keyed(text, "write_bytes") for text in of_each(pid, "io"))
