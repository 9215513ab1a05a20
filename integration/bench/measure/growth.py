"""How each cost grows: one function for each curve, which takes a size and gives numbers; watchd only."""

import contextlib, math, statistics, subprocess, time, typing

from . import archive, backlog, counters
from .daemon import QUIET_MS, wait_for
from .races import beyond, quantiles


class Curve(typing.NamedTuple):
    """`expected`: of each number that is drawn, the power of the size by which it should grow."""
    along: str
    sizes: list
    quick: list
    measure: typing.Callable
    expected: dict
    why: str


def burst(start, many):
    with contextlib.closing(start("watchd")) as daemon:
        cpu = counters.cpu_ms(daemon.pid)
        landed, arrived = daemon.land("burst", 0, many)
        beyond_quiet = (max(arrived.values()) - min(landed.values())) / 1e9 - QUIET_MS / 1000
        return {"beyond_quiet_s": beyond_quiet, "cpu_ms": counters.cpu_ms(daemon.pid) - cpu,
                "peak_rss_mib": counters.memory_mib(daemon.pid, "VmHWM"), "lost": daemon.lost}


def present(start, many):
    return archive.known(start, many)


def directories(start, many):
    with contextlib.closing(start("watchd", kind=archive.Watched, more={}, warm=False, directories=many)) as daemon:
        found = daemon.seen()
        time.sleep(1)
        before, wakes = counters.fine_cpu_ms(daemon.pid), counters.wake_ups(daemon.pid)
        time.sleep(5)
        found |= {"cpu_ms": counters.cpu_ms(daemon.pid),
                  "idle_cpu_ms": counters.fine_cpu_ms(daemon.pid) - before,
                  "idle_wake_ups": counters.wake_ups(daemon.pid) - wakes,
                  "anon_mib": counters.memory_mib(daemon.pid, "RssAnon")}
        return found


def undelivered(start, many):
    return backlog.waiting(start, many)


def endpoints(start, many):
    """Two hundred files for so many endpoints, all of them the one receiver."""
    files = 200
    more = {"endpoints": {f"e{number}": start.receiver.url for number in range(1, many)}}
    with contextlib.closing(start("watchd", kind=archive.Watched, more=more, warm=False)) as daemon:
        daemon.seen()
        time.sleep(8)  # a lane begins with one request at a time, and trusts its receiver more with each second
        cpu, receiver = counters.cpu_ms(daemon.pid), daemon.receiver
        landed, arrived = daemon.land("rename", 0, files)
        wait_for(lambda: receiver.have() >= files * many, 60, "not every endpoint has got everything")
        return {"p99_ms": quantiles(beyond(daemon, landed, arrived))["p99_ms"],
                "all_beyond_quiet_s": (time.monotonic_ns() - min(landed.values())) / 1e9 - QUIET_MS / 1000,
                "cpu_ms": counters.cpu_ms(daemon.pid) - cpu,
                "peak_rss_mib": counters.memory_mib(daemon.pid, "VmHWM"), "lost": daemon.lost}


def size(start, many):
    """Sparse files of so many bytes, one after the other."""
    with contextlib.closing(start("watchd")) as daemon:
        latencies, cpu = [], counters.cpu_ms(daemon.pid)
        for number in range(10):
            daemon.receiver.expect(1)
            with open(daemon.root / f"f{number:07}", "wb") as file:
                file.truncate(many)
                landed = {number: time.monotonic_ns()}
            latencies += beyond(daemon, landed, daemon.collect(1))
        return {"p50_ms": statistics.median(latencies), "max_ms": max(latencies),
                "cpu_ms": counters.cpu_ms(daemon.pid) - cpu}


def writers(start, many):
    """So many files held open, for ten seconds after they could have settled; then all are closed at once."""
    with contextlib.closing(start("watchd")) as daemon:
        command = [daemon.receiver.binary, "hold", daemon.root, "0", str(many)]
        daemon.receiver.expect(many)
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
            try:
                holder.stdout.readline()
                time.sleep(2 * QUIET_MS / 1000)
                cpu, wakes = counters.cpu_ms(daemon.pid), counters.wake_ups(daemon.pid)
                time.sleep(10)
                waiting = counters.cpu_ms(daemon.pid) - cpu
                woken = counters.wake_ups(daemon.pid) - wakes
                landed = dict(map(int, line.split()) for line in holder.communicate("go\n")[0].splitlines())
            finally:
                holder.kill()
        arrived = daemon.collect(many)
        early = sum(at < landed[number] for number, at in arrived.items())
        return {"cpu_ms_in_10_s": waiting, "wake_ups_in_10_s": woken,
                "p99_ms": quantiles(beyond(daemon, landed, arrived))["p99_ms"],
                "peak_rss_mib": counters.memory_mib(daemon.pid, "VmHWM"), "lost": daemon.lost, "early": early}


GIB = 1 << 30
CURVES = {
    "burst": Curve("arrivals in a burst", [100, 1000, 10_000, 100_000], [100, 300, 1000, 3000], burst,
                   {"beyond_quiet_s": 1, "cpu_ms": 1, "peak_rss_mib": 0},
                   "Each file is looked at, recorded and sent once: linear. Memory grows up to the limits of the channels "
                   "(ARCHITECTURE.md, Memory). Worse than linear beyond the kernel's queue of 16,384 events: what was lost is found by a "
                   "scan of everything, which looks again at what still waits."),
    "present": Curve("files present and known", [1000, 10_000, 100_000, 1_000_000], [100, 1000, 3000, 10_000], present,
                     {"reconciled_s": 1, "ready_ms": 0, "anon_mib": 0},
                     "Each is looked at once and found in an index: linear up to its depth. Nothing is kept in memory."),
    "directories": Curve("directories watched", [100, 1000, 10_000, 30_000], [100, 300, 1000, 3000], directories,
                         {"reconciled_s": 1, "anon_mib": 1, "idle_cpu_ms": 0},
                         "One kernel watch and one entry in memory each: linear. While nothing happens: nothing."),
    "undelivered": Curve("undelivered events", [1000, 10_000, 100_000, 1_000_000], [500, 1000, 2000, 5000], undelivered,
                         {"delivered_per_s": 0, "anon_mib": 0},
                         "A lane reads the oldest by an index and holds 256 of them: neither rate nor memory depends on the rest. A few thousand "
                         "are gone while the lane still tries, with one request at a time, whether the receiver bears more."),
    "endpoints": Curve("endpoints of a watch", [1, 4, 16, 64], [1, 2, 4, 8], endpoints,
                       {"cpu_ms": 1, "p99_ms": 1, "peak_rss_mib": 1},
                       "One delivery and one lane each: linear, for the receiver is one and shares the processors."),
    "size": Curve("bytes of a file", [0, 1 << 20, 1 << 30, 4 * GIB], [0, 1 << 20, 1 << 30, 4 * GIB], size,
                  {"p50_ms": 0, "cpu_ms": 0}, "Content is never read: it must not matter."),
    "writers": Curve("concurrent slow writers", [1, 10, 100, 1000, 10_000], [1, 10, 30, 100], writers,
                     {"cpu_ms_in_10_s": 1, "wake_ups_in_10_s": 0, "p99_ms": 1},
                     "Each is asked for its writer ever less often: linear, and one wake-up serves all that are due, 128 at a time: "
                     "of ten thousand that were opened one after the other they are due at many different times."),
}


def order(points, expected):
    """The power by which it grows: 0 is flat, 1 is linear. Over all sizes where nothing should grow; between the two
    largest otherwise, where constants weigh least."""
    usable = [(x, y) for x, y in points if x > 0 and y > 0]
    if len(usable) < 2:
        return None
    (x0, y0), (x1, y1) = usable[0 if expected == 0 else -2], usable[-1]
    return math.log(y1 / y0) / math.log(x1 / x0)
