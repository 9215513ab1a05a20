"""Who announces early, and who loses files: for watchd and every peer."""

import concurrent.futures, contextlib, signal, time

from .daemon import QUIET_MS

PATIENCE_S = 20  # twice what watchd waits before it tries again (5 s, and half as long again), and more
WRITERS = 3
OVERFLOW_FILES = 20_000  # of which the kernel keeps 16,384 events, unless told otherwise
PAUSE_S = 2 * QUIET_MS / 1000


def early(start, names, options):
    """Of three files each, how many were announced before their last byte."""
    found = {}
    for name in names:
        found[name] = {}
        for how, write in (("held open, a chunk each second", held), ("an upload that stalls for 3 s", stalled),
                           ("opened anew for each chunk", reopened)):
            with contextlib.closing(start(name)) as daemon:
                daemon.receiver.expect(WRITERS)
                with concurrent.futures.ThreadPoolExecutor(WRITERS) as writers:
                    paths = [daemon.root / f"f{number:07}" for number in range(WRITERS)]
                    ended = list(writers.map(write, paths))
                arrived = daemon.collect(WRITERS)
                found[name][how] = sum(arrived.get(number, at) < at for number, at in enumerate(ended))
    return found


def held(path):
    with open(path, "wb", buffering=0) as file:
        for _ in range(4):
            file.write(b"chunk")
            time.sleep(PAUSE_S)
        file.write(b"end")
        return time.monotonic_ns()


def stalled(path):
    with open(path, "wb", buffering=0) as file:
        file.write(b"half")
        time.sleep(3 * PAUSE_S)
        file.write(b"half")
        return time.monotonic_ns()


def reopened(path):
    for _ in range(4):
        with open(path, "ab", buffering=0) as file:
            file.write(b"chunk")
            ended = time.monotonic_ns()
        time.sleep(PAUSE_S)
    return ended


def lost(start, names, options):
    """How many of the files were never announced."""
    found = {}
    for name in names:
        found[name] = {}
        for how, (many, happens) in LOSSES.items():
            if many > start.recipe(name).files_max:
                found[name][f"{how}, of {many}"] = None
                continue
            with contextlib.closing(start(name)) as daemon:
                daemon.receiver.expect(many)
                happens(daemon, many)
                daemon.collect(many, patience=PATIENCE_S)
                found[name][f"{how}, of {many}"] = daemon.lost
    return found


def in_new_directories(daemon, many):
    daemon.make("spread", 0, many, 1)


def while_it_was_killed(daemon, many):
    half = many // 2
    daemon.make("burst", 0, half)  # nothing has been quiet for long enough yet
    daemon.stop(signal.SIGKILL)
    daemon.make("burst", half, many - half)
    daemon.start()


def while_the_receiver_was_down(daemon, many):
    daemon.receiver.say("fail")
    daemon.make("burst", 0, many)
    time.sleep(4 * QUIET_MS / 1000)
    daemon.receiver.say("serve")


def beyond_the_kernels_queue(daemon, many):
    daemon.tell(signal.SIGSTOP)
    daemon.make("burst", 0, many)
    daemon.tell(signal.SIGCONT)


LOSSES = {
    "in directories that are new": (100, in_new_directories),
    "while it was killed and started again": (100, while_it_was_killed),
    "while the receiver said 503 for 2 s": (100, while_the_receiver_was_down),
    "beyond the kernel's queue": (OVERFLOW_FILES, beyond_the_kernels_queue),
}
