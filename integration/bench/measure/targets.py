"""What watchd must reach, and whether it did."""

ABSOLUTE, RATIO, LEAST, LEAST_RATIO = "at most {}", "at most {} of fsnotify", "at least {}", "at least {} of fsnotify"
CHOKIDAR = "at most {} of chokidar"
TARGETS = {
    "burst.files_per_s": [(LEAST_RATIO, 1.0)],
    "burst.cpu_ms_per_file": [(RATIO, 1.5), (CHOKIDAR, 0.15)],
    "burst.idle_rss_mib": [(RATIO, 1.2)],
    "burst.peak_rss_mib": [(RATIO, 1.2)],
    "burst.lost": [(ABSOLUTE, 0)],
    "burst.repeated": [(ABSOLUTE, 0)],
    "renames.p99_ms": [(RATIO, 1.0)],
    "renames.lost": [(ABSOLUTE, 0)],
    "single.p99_ms": [(ABSOLUTE, 10)],
    "idle.cpu_ms": [(ABSOLUTE, 0)],
    "idle.wake_ups": [(ABSOLUTE, 10)],
    "early.held open, a chunk each second": [(ABSOLUTE, 0)],
    "early.an upload that stalls for 3 s": [(ABSOLUTE, 0)],
    "lost.": [(ABSOLUTE, 0)],
    "neighbours.stream_p99_ms ratio": [(ABSOLUTE, 1.2)],
    "neighbours.renames_p99_ms ratio": [(ABSOLUTE, 1.2)],
    "neighbours.lost beside": [(ABSOLUTE, 0)],
    "flash.device bytes per arrival at 100/s": [(ABSOLUTE, 10 * 1024)],
    "archive.ready_ms": [(ABSOLUTE, 300)],
    "archive.reconciled_s": [(ABSOLUTE, 2)],
    "archive.bytes_per_file": [(ABSOLUTE, 100)],
    "backlog.ratio": [(LEAST, 0.8)],
    "backlog.anon_bytes_per_event_beyond_window": [(ABSOLUTE, 0)],
    "backlog.lost": [(ABSOLUTE, 0)],
    "size.size_mb": [(ABSOLUTE, 8)],
}


def judge(scenario, key, row):
    """In words: each target of this number, and whether it was reached. `row`: the number of each daemon."""
    words = []
    for kind, limit in TARGETS.get(f"{scenario}.{key}", TARGETS["lost."] if scenario == "lost" else []):
        other = {RATIO: "fsnotify", LEAST_RATIO: "fsnotify", CHOKIDAR: "chokidar"}.get(kind)
        ours, theirs = row.get("watchd"), row.get(other)
        if ours is None or (other and theirs is None):
            words.append(f"{kind.format(limit)}: NOT COMPARED")
            continue
        value = ours if other is None else ours / theirs if theirs else float("inf")
        near = round(value, 2 if other or value < 10 else 0)
        reached = near >= limit if kind in (LEAST, LEAST_RATIO) else near <= limit
        seen = f" ({value:.2f})" if other else ""
        words.append(f"{kind.format(limit)}: {'reached' if reached else 'MISSED'}{seen}")
    return "; ".join(words)
