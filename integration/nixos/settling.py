with subtest("a file that is whole is announced once"):
    drop("whole")
    wait_until_delivered("whole")

with subtest("a file that grows slowly is announced when it has stopped growing, whole"):
    # Half a second between the parts is far below the quiet period, five seconds are above it.
    box.succeed(
        f"for part in 0 1 2 3 4 5 6 7 8 9; do echo $part >> {INBOX}/slow; sleep 0.5; done",
        timeout=PATIENCE,
    )
    wait_until_delivered("slow")
    assert [r["event"]["data"]["size"] for r in requests_of("slow")] == [20]

with subtest("a writer that stalls for longer than the quiet period is waited for while it has the file open"):
    box.succeed(
        f"systemd-run --unit=writer --quiet --property=Type=exec -- "
        f"sh -c 'exec 3>{INBOX}/stalled; echo half >&3; while [ ! -e /run/go-on ]; do sleep 0.2; done; echo whole >&3'"
    )
    box.wait_until_succeeds(f"grep -q half {INBOX}/stalled", PATIENCE)
    let_time_pass("stalled")
    assert requests_of("stalled") == [], "half a file was announced"
    box.succeed("touch /run/go-on")
    wait_until_delivered("stalled")
    assert [r["event"]["data"]["size"] for r in requests_of("stalled")] == [11]

with subtest("a partial name is never announced, the final one is"):
    drop("report.part")
    let_time_pass("renamed")
    box.succeed(f"mv {INBOX}/report.part {INBOX}/report")
    wait_until_delivered("report")
    assert requests_of("report.part") == []

with subtest("a file that is linked in is announced, and its first name not again"):
    box.succeed(f"ln {INBOX}/report {INBOX}/linked")
    wait_until_delivered("linked")
    assert len(requests_of("report")) == 1

with subtest("what another user puts into the group's inbox is announced"):
    box.succeed(
        f"setpriv --reuid=4711 --regid=4711 --groups=$(getent group watchd-inbox | cut -d: -f3) "
        f"sh -c 'umask 027; echo content > {INBOX}/of-another'"
    )
    wait_until_delivered("of-another")

with subtest("every arrival had an id of its own, and came once"):
    ids = [request["headers"]["webhook-id"] for request in said_by_receiver()]
    assert len(ids) == len(set(ids)), ids
