COUNT = 20
NAMES = [f"undelivered-{number}" for number in range(COUNT)]

with subtest("events that were committed before a power cut are delivered after it"):
    tell_receiver("answer", status=503)
    for name in NAMES:
        drop(name)

    def were_tried(_last: bool) -> bool:
        return {request["name"] for request in said_by_receiver()} >= set(NAMES)

    retry(were_tried, PATIENCE)
    first = {request["name"]: request for request in said_by_receiver()}
    box.crash()
    tell_receiver("answer")
    box.start()
    wait_until_delivered(*NAMES)

with subtest("their ids and bodies are the same as before"):
    for request in said_by_receiver():
        name = request["name"]
        # The disk may have lost the file itself, or what was in it; then this is another arrival.
        if name in NAMES and request["event"]["data"]["generation"] == 1:
            assert request["raw"] == first[name]["raw"], name

with subtest("the daemon is there again by itself, and takes new files"):
    wait_for_watchd()
    drop("after-the-cut")
    wait_until_delivered("after-the-cut")
