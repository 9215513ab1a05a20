# What the scripts share; it stands before each of them. The names `box` and `receiver` are the machines.
import base64
import hashlib
import hmac
import json
import shlex
from typing import Any

INBOX = "/srv/inbox"
# Longest wait for anything that the daemon does; no test needs it.
PATIENCE = 300


def said_by_receiver() -> list[dict[str, Any]]:
    requests = json.loads(receiver.succeed("curl -sSf -m 30 http://localhost:8080/control/requests"))
    for request in requests:
        request["raw"] = base64.b64decode(request["body"])
        request["event"] = json.loads(request["raw"])
        request["name"] = request["event"]["data"]["rel_path"]
    return list(requests)


def tell_receiver(what: str, **settings: object) -> None:
    data = shlex.quote(json.dumps(settings))
    receiver.succeed(f"curl -sSf -m 30 -d {data} http://localhost:8080/control/{what}")


def requests_of(name: str) -> list[dict[str, Any]]:
    return [request for request in said_by_receiver() if request["name"] == name]


# By Standard Webhooks: over id, time of the attempt and body.
def signature_of(request: dict[str, Any]) -> str:
    head = request["headers"]
    secret = base64.b64decode(box.succeed("cat /etc/watchd-signing").strip().removeprefix("whsec_"))
    signed = f"{head['webhook-id']}.{head['webhook-timestamp']}.".encode() + request["raw"]
    mac = hmac.new(secret, signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(mac).decode()


# Another signing key, in these files at once.
def replace_key(*files: str) -> None:
    box.succeed('(umask 077; echo "whsec_$(head -c 32 /dev/urandom | base64)" > /run/new-key)')
    box.succeed(*[f"install -m 600 /run/new-key {shlex.quote(file)}" for file in files])


def wait_for_requests(name: str, count: int = 1) -> list[dict[str, Any]]:
    def are_there(_last: bool) -> bool:
        return len(requests_of(name)) >= count

    retry(are_there, PATIENCE)
    return requests_of(name)


def wait_until_delivered(*names: str) -> None:
    def are_there(_last: bool) -> bool:
        answered = {r["name"] for r in said_by_receiver() if r["answered"] == 200}
        return answered.issuperset(names)

    retry(are_there, PATIENCE)


def assert_each_once(*names: str) -> None:
    counts = {name: len(requests_of(name)) for name in names}
    assert set(counts.values()) == {1}, counts


# Three control files, one after the other: each takes a quiet period, so whatever was to happen has happened.
def let_time_pass(label: str) -> None:
    for number in range(3):
        drop(f"control-{label}-{number}")
        wait_until_delivered(f"control-{label}-{number}")


def drop(name: str, text: str = "content") -> None:
    box.succeed(f"printf %s {shlex.quote(text)} > {INBOX}/{shlex.quote(name)}")


def property_of(name: str) -> str:
    return str(box.get_unit_property("watchd.service", name))


def restarts() -> int:
    return int(property_of("NRestarts"))


def wait_for_watchd(main_pid_is_not: str = "0") -> str:
    def is_up(_last: bool) -> bool:
        up = property_of("ActiveState") == "active" and property_of("SubState") == "running"
        return up and property_of("MainPID") not in ("0", main_pid_is_not)

    retry(is_up, PATIENCE)
    return property_of("MainPID")


# What systemd said of the daemon, and it of itself, since this script began.
def wait_until_logged(regex: str) -> None:
    found = f"journalctl --no-pager -b --since=@{SINCE} -u watchd.service | grep {shlex.quote(regex)}"
    box.wait_until_succeeds(found + " >/dev/null", PATIENCE)


# Stored, and not yet delivered. Not every one of them is tried while the endpoint fails.
def wait_until_waiting(count: int) -> None:
    shown = "systemctl show --property StatusText watchd.service"
    box.wait_until_succeeds(f"{shown} | grep -q '; {count} events wait'", PATIENCE)


# Overrides for this boot: directives of a section, and settings as the environment that is over the file.
def override(name: str, lines: str) -> None:
    folder = "/run/systemd/system/watchd.service.d"
    box.succeed(
        f"mkdir -p {folder}",
        f"printf %s {shlex.quote(lines)} > {folder}/{name}.conf",
        "systemctl daemon-reload",
    )


def no_override(name: str) -> None:
    box.succeed(f"rm -f /run/systemd/system/watchd.service.d/{name}.conf", "systemctl daemon-reload")


# What the module's `onFailure` names: it leaves a file.
def told_unit() -> None:
    unit = "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo told >> /run/told'\n"
    box.succeed(
        f"printf %s {shlex.quote(unit)} > /run/systemd/system/told.service",
        "rm -f /run/told",
        "systemctl daemon-reload",
    )


def wait_until_told() -> None:
    box.wait_for_file("/run/told", PATIENCE)


def begin() -> None:
    start_all()
    receiver.wait_for_unit("receiver.service")
    receiver.wait_for_open_port(8080)
    box.wait_for_unit("watchd.service")
    box.wait_until_succeeds("getent hosts receiver && nc -z receiver 8080", PATIENCE)
    tell_receiver("reset")


begin()
SINCE = box.succeed("date +%s").strip()
