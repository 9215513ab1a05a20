"""A healthy endpoint alone, and beside one that is dead and one that trickles; watchd only (P6)."""

import contextlib, os, socket, statistics

from . import counters
from .races import beyond, quantiles
from .receiver import Trickler

STREAM_FILES, STREAM_EVERY_US = 500, 20_000


def neighbours(start, names, options):
    runs = {"alone": [], "beside": []}
    with contextlib.closing(Trickler()) as trickler, socket.socket() as dead:
        dead.bind(("127.0.0.1", 0))  # and nobody listens: refused
        others = {"dead": f"http://127.0.0.1:{dead.getsockname()[1]}/hook", "trickling": trickler.url}
        for _ in range(options.runs):
            for how, beside in (("alone", {}), ("beside", others)):
                os.sync()
                with contextlib.closing(start("watchd", more={"endpoints": beside})) as daemon:
                    runs[how].append(once(daemon))
    row = {f"{key} {how}": statistics.median(run[key] for run in found)
           for key in runs["alone"][0] for how, found in runs.items()}
    for key in ("stream_p50_ms", "stream_p99_ms", "renames_p99_ms"):
        row[f"{key} ratio"] = row[f"{key} beside"] / row[f"{key} alone"]
    return {"watchd": row}


def once(daemon):
    half = STREAM_FILES // 2
    latencies = beyond(daemon, *daemon.land("stream", 0, half, STREAM_EVERY_US))
    rss = counters.memory_mib(daemon.pid, "VmRSS")
    latencies += beyond(daemon, *daemon.land("stream", half, half, STREAM_EVERY_US))
    grown = counters.memory_mib(daemon.pid, "VmRSS") - rss
    stream = quantiles(sorted(latencies))
    return {
        "stream_p50_ms": stream["p50_ms"],
        "stream_p99_ms": stream["p99_ms"],
        "renames_p99_ms": quantiles(beyond(daemon, *daemon.land("rename", STREAM_FILES, 1000)))["p99_ms"],
        "lost": STREAM_FILES - len(latencies) + daemon.lost,
        "stream_grown_mib": grown,
        "peak_rss_mib": counters.memory_mib(daemon.pid, "VmHWM"),
    }
