COUNT = 20
NAMES = [f"undelivered-{number}" for number in range(COUNT)]

with subtest("events that were committed before a power cut are delivered after it"):
    tell_receiver("answer", status=503)
    for name in NAMES:
        drop(name)
    wait_until_waiting(COUNT)
    first = {request["name"]: request for request in said_by_receiver()}
    assert first, "none was tried"
    # Seconds before the cut: what was not synced is still in memory.
    drop("the-last")
    wait_until_logged("committed.*path=the-last")
    box.crash()
    tell_receiver("answer")
    box.start()
    wait_until_delivered("the-last", *NAMES)

with subtest("their ids and bodies are the same as before"):
    for request in said_by_receiver():
        name = request["name"]
        # The disk may have lost the file itself, or what was in it; then this is another arrival.
        if name in first and request["event"]["data"]["generation"] == 1:
            assert request["raw"] == first[name]["raw"], name

with subtest("the daemon is there again by itself, and takes new files"):
    wait_for_watchd()
    drop("after-the-cut")
    wait_until_delivered("after-the-cut")
