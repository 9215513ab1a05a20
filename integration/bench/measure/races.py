"""The same work for watchd and every peer, in turn: burst, renames, single, idle."""

import contextlib, os, statistics, time

from . import counters
from .daemon import QUIET_MS

WORST = {"lost", "repeated"}


def of_runs(runs):
    """The median of each number; of losses and repetitions the worst."""
    return {key: (max if key in WORST else statistics.median)(run[key] for run in runs) for key in runs[0]}


def in_turn(start, names, options, once):
    """`once` for each daemon, so often, and in turn: what the machine does meanwhile meets all alike."""
    rows = {name: [] for name in names}
    for turn in range(options.runs):
        for name in names:
            if turn < start.recipe(name).runs_max:
                os.sync()  # what the run before left to write is not ours
                with contextlib.closing(start(name)) as daemon:
                    rows[name].append(once(daemon))
    return rows


def burst(start, names, options):
    def once(daemon):
        many = min(options.files, daemon.recipe.files_max)
        pid = daemon.pid
        cpu, wakes, written = counters.cpu_ms(pid), counters.wake_ups(pid), counters.write_bytes(pid)
        landed, arrived = daemon.land("burst", 0, many)
        last = max(arrived.values(), default=0)
        return {
            "files": many,
            "files_per_s": len(arrived) / max(1e-9, (last - min(landed.values())) / 1e9),
            "made_in_s": (max(landed.values()) - min(landed.values())) / 1e9,
            "cpu_ms_per_file": (counters.cpu_ms(pid) - cpu) / max(1, len(arrived)),
            "wake_ups_per_file": (counters.wake_ups(pid) - wakes) / max(1, len(arrived)),
            "idle_rss_mib": daemon.idle_rss_mib,
            "peak_rss_mib": counters.memory_mib(pid, "VmHWM"),
            "write_bytes_per_file": (counters.write_bytes(pid) - written) / many,
            "lost": daemon.lost,
            "repeated": daemon.repeated,
        }
    rows = in_turn(start, names, options, once)
    return {name: of_runs(runs) | {"of_each_run": [round(run["files_per_s"]) for run in runs]}
            for name, runs in rows.items()}


def beyond(daemon, landed, arrived):
    quiet = QUIET_MS if daemon.recipe.knows_quiet else 0
    return sorted((at - landed[number]) / 1e6 - quiet for number, at in arrived.items())


def quantiles(latencies):
    if not latencies:
        return {"p50_ms": None, "p95_ms": None, "p99_ms": None, "max_ms": None}
    at = lambda share: latencies[min(len(latencies) - 1, int(share * len(latencies)))]
    return {"p50_ms": at(0.5), "p95_ms": at(0.95), "p99_ms": at(0.99), "max_ms": latencies[-1]}


def renames(start, names, options):
    def once(daemon):
        return quantiles(beyond(daemon, *daemon.land("rename", 0, 1000))) | {"lost": daemon.lost}
    return {name: of_runs(runs) for name, runs in in_turn(start, names, options, once).items()}


def single(start, names, options):
    found = {}
    for name in names:
        with contextlib.closing(start(name)) as daemon:
            latencies = []
            for number in range(20):
                latencies += beyond(daemon, *daemon.land("burst", number, 1))
            found[name] = quantiles(sorted(latencies)) | {"lost": 20 - len(latencies)}
    return found


def idle(start, names, options):
    """All at once: what does nothing disturbs nobody."""
    with contextlib.ExitStack() as stack:
        daemons = [stack.enter_context(contextlib.closing(start(name, directories=100))) for name in names]
        time.sleep(2)  # what the first delivery left to do
        before = [(counters.fine_cpu_ms(d.pid), counters.wake_ups(d.pid)) for d in daemons]
        time.sleep(options.idle)  # that nothing happens can only be waited for
        return {d.name: {"seconds": options.idle, "cpu_ms": counters.fine_cpu_ms(d.pid) - cpu,
                         "wake_ups": counters.wake_ups(d.pid) - wakes,
                         "rss_mib": counters.memory_mib(d.pid, "VmRSS")}
                for d, (cpu, wakes) in zip(daemons, before)}
