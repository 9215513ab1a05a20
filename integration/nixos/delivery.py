with subtest("the signature is that of Standard Webhooks"):
    drop("signed")
    (request,) = wait_for_requests("signed")
    assert request["headers"]["webhook-signature"] == signature_of(request), request["headers"]

with subtest("a request that is refused for now is sent again, the same to the byte"):
    tell_receiver("answer", path="refused", status=503, times=2)
    drop("refused")
    wait_until_delivered("refused")
    attempts = requests_of("refused")
    assert [r["answered"] for r in attempts] == [503, 503, 200], attempts
    assert len({r["raw"] for r in attempts}) == 1
    assert len({r["headers"]["webhook-id"] for r in attempts}) == 1

with subtest("a receiver that is down gets everything when it is back"):
    receiver.succeed("systemctl stop receiver.service")
    for number in range(5):
        drop(f"down-{number}")
    wait_until_logged("not delivered.*path=down-")
    receiver.succeed("systemctl start receiver.service")
    receiver.wait_for_open_port(8080)
    wait_until_delivered(*[f"down-{number}" for number in range(5)])

with subtest("a network that is cut loses nothing"):
    receiver.block()
    drop("cut")
    wait_until_logged("not delivered.*path=cut")
    receiver.unblock()
    wait_until_delivered("cut")
