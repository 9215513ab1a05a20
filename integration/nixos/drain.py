UNIT = "watchd.service"


def stop_with_a_request_in_flight(name: str) -> None:
    tell_receiver("answer", path=name, hang=True, times=1)
    drop(name)
    wait_for_requests(name)
    box.succeed(f"systemctl stop --no-block {UNIT}")


def wait_until_stopped() -> None:
    box.wait_until_succeeds(f"systemctl show -p ActiveState {UNIT} | grep -qE 'inactive|failed'", PATIENCE)


with subtest("a stop waits for the request that is under way"):
    stop_with_a_request_in_flight("under-way")
    box.wait_until_succeeds(f"systemctl show -p ActiveState {UNIT} | grep -q deactivating", PATIENCE)
    tell_receiver("release")
    wait_until_stopped()
    assert property_of("Result") == "success", property_of("Result")
    wait_until_delivered("under-way")

with subtest("what was answered during the stop is not sent again"):
    box.succeed(f"systemctl start {UNIT}")
    let_time_pass("after-stop")
    assert len(requests_of("under-way")) == 1

with subtest("a request that hangs does not hold the stop for longer than the drain limit"):
    stop_with_a_request_in_flight("hangs")
    wait_until_stopped()
    assert property_of("Result") == "success", property_of("Result")
    assert requests_of("hangs")[0]["answered"] is None

with subtest("it is sent again after the start, under the same id"):
    box.succeed(f"systemctl start {UNIT}")
    first, second = wait_for_requests("hangs", 2)[:2]
    assert first["headers"]["webhook-id"] == second["headers"]["webhook-id"]
    assert first["raw"] == second["raw"]
    tell_receiver("release")
