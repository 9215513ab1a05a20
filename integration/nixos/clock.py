DAYS = 86400
NAMES = [f"waiting-{number}" for number in range(5)]


def set_clock(seconds_from_now: int) -> None:
    box.succeed(f"date --set @$(($(date +%s) + {seconds_from_now})) >/dev/null")


# Half a second between the parts is far below the quiet period.
def write_slowly(name: str, jump_seconds: int) -> None:
    box.succeed(
        f"for part in 0 1 2 3 4 5 6 7 8 9; do echo $part >> {INBOX}/{name}; "
        f"date --set @$(($(date +%s) + {jump_seconds})) >/dev/null; sleep 0.5; done",
        timeout=PATIENCE,
    )
    wait_until_delivered(name)
    assert [r["event"]["data"]["size"] for r in requests_of(name)] == [20], requests_of(name)


drop("before")
wait_until_delivered("before")

with subtest("a file that is written while the clock jumps ahead is announced when it is whole"):
    write_slowly("written-ahead", 30 * DAYS)

with subtest("a file that is written while the clock jumps back is announced when it is whole"):
    write_slowly("written-back", -60 * DAYS)

with subtest("events that wait outlast a year ahead, and are tried on"):
    tell_receiver("answer", status=503)
    for name in NAMES:
        drop(name)
    for name in NAMES:
        wait_for_requests(name)
    set_clock(400 * DAYS)
    known = len(said_by_receiver())

    # While the endpoint fails, which of them is tried is the daemon's business.
    def are_tried_on(_last: bool) -> bool:
        return len(said_by_receiver()) > known

    retry(are_tried_on, PATIENCE)

with subtest("they outlast two years back, and arrive under their ids"):
    set_clock(-800 * DAYS)
    tell_receiver("answer")
    wait_until_delivered(*NAMES)
    for name in NAMES:
        assert len({r["headers"]["webhook-id"] for r in requests_of(name)}) == 1, requests_of(name)
        assert len({r["raw"] for r in requests_of(name)}) == 1, requests_of(name)

with subtest("what lands in the past is announced, without delay"):
    drop("in-the-past")
    wait_until_delivered("in-the-past")

with subtest("nothing is announced again by a restart in another year"):
    set_clock(3650 * DAYS)
    box.succeed("systemctl restart watchd.service")
    let_time_pass("another-year")
    assert_each_once("before", "written-ahead", "written-back", "in-the-past")
    for name in NAMES:
        assert [r["answered"] for r in requests_of(name)].count(200) == 1, requests_of(name)
