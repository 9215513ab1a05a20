"""What reaches a flash device for each arrival: watchd's state on an ext4 of its own, at four rates."""

import contextlib, os

from .place import Disk

WARM_FILES = 500  # until the journal's log has the size that it keeps


def flash(start, names, options):
    if os.geteuid():
        return {"watchd": {"not measured": "a loop device needs root"}}
    rows = {}
    with contextlib.closing(Disk(start.place.state)) as disk:
        for rate in options.rates:
            many = max(20, min(10_000, rate * options.flash))
            with contextlib.closing(start("watchd", on=disk.mount)) as daemon:
                daemon.land("stream", 0, WARM_FILES, 2000)
                before = disk.written()
                daemon.land("stream", WARM_FILES, many, 1_000_000 // rate)
                rows[f"device bytes per arrival at {rate}/s"] = (disk.written() - before) / many
                rows[f"lost at {rate}/s"] = daemon.lost
    return {"watchd": rows}
