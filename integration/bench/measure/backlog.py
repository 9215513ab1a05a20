"""Events that wait because their receiver is down, and what they are delivered at when it is back; watchd only."""

import contextlib, time

from . import counters
from .daemon import free_port, page, wait_for

COMMIT_PATIENCE_S = 1800
AT_REST_S = 3
WINDOW_MIB = 1.0  # SQLite's page cache: full with a tenth of the events or not, it grows no further
STEADY = 0.6  # the last so many of them: before, the lane has only begun to try whether the receiver bears it


def rate(arrived, share=STEADY):
    times = sorted(arrived.values())
    first = int(len(times) * (1 - share))
    return (len(times) - first) / ((times[-1] - times[first]) / 1e9)


def settings(many):
    """Room for them, and a second try soon after the first, so that all are due when the receiver is back."""
    return {"state": {"outbox_max_events": many + 1000, "outbox_max_size": f"{many // 256 + 64}MiB"},
            "endpoint": {"retry_delays": ["1s"], "attempts": 1000}, "listen": free_port()}


def waiting(start, many):
    """`many` events are recorded while the receiver says 503, kept over a start, and delivered when it no longer does."""
    more = settings(many)
    with contextlib.closing(start("watchd", more=more)) as daemon:
        receiver = daemon.receiver
        receiver.expect(many)
        receiver.say("fail")
        daemon.make("burst", 0, many)
        recorded = lambda: (found := page(more["listen"])) and found["endpoints"][0]["waiting"] >= many
        wait_for(recorded, COMMIT_PATIENCE_S, "not everything was recorded")
        peak = counters.memory_mib(daemon.pid, "VmHWM")
        daemon.stop()  # what the burst itself took is given back: what is left is what waiting costs
        daemon.start()
        wait_for(recorded, COMMIT_PATIENCE_S, "what was recorded is gone")
        time.sleep(AT_REST_S)
        found = {"burst_peak_mib": peak, "anon_mib": counters.memory_mib(daemon.pid, "RssAnon")}
        receiver.say("serve")
        arrived = daemon.collect(many, patience=90)
        return found | {"delivered_per_s": rate(arrived), "whole_per_s": rate(arrived, 1.0), "lost": daemon.lost}


def empty_queue(start, many):
    """The same files with a receiver that is well."""
    with contextlib.closing(start("watchd", more=settings(many))) as daemon:
        _, arrived = daemon.land("burst", 0, many)
        return rate(arrived)


def backlog(start, names, options):
    few, many = waiting(start, options.waiting // 10), waiting(start, options.waiting)
    empty = empty_queue(start, min(options.waiting, 20_000))
    more = options.waiting - options.waiting // 10
    grown = many["anon_mib"] - few["anon_mib"]
    return {"watchd": {
        "events": options.waiting,
        "rate of an empty queue": empty,
        "rate after recovery": many["delivered_per_s"],
        "ratio": many["delivered_per_s"] / empty,
        "anon_bytes_per_event": grown * 1024 * 1024 / more,
        "anon_bytes_per_event_beyond_window": max(grown - WINDOW_MIB, 0) * 1024 * 1024 / more,
        "burst_peak_mib": many["burst_peak_mib"],
        "lost": many["lost"],
    }}
