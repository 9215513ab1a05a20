pid = wait_for_watchd()
ROOT = f"/proc/{pid}/root"
# CAP_LEASE, capability 28: to ask whether a writer still holds a file.
LEASE = 1 << 28

with subtest("systemd's exposure score is at most 1.4"):
    box.succeed("systemd-analyze security --no-pager --threshold=14 watchd.service")

with subtest("it runs as nobody in particular, with one capability, and can gain none"):
    status = dict(line.split(":\t", 1) for line in box.succeed(f"cat /proc/{pid}/status").splitlines() if ":\t" in line)
    assert "0" not in status["Uid"].split(), status["Uid"]
    assert int(status["CapEff"], 16) == LEASE, status["CapEff"]
    assert int(status["CapBnd"], 16) == LEASE, status["CapBnd"]
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2", status

with subtest("even root could not write outside of its state in its view of the file system"):
    for place in ["/etc", "/srv/inbox", "/var/lib", "/"]:
        said = box.fail(f"touch {ROOT}{place}/proof 2>&1 || {{ echo $(touch {ROOT}{place}/proof 2>&1); false; }}")
        assert "Read-only file system" in said, said
    box.succeed(f"touch {ROOT}/var/lib/watchd/proof && rm {ROOT}/var/lib/watchd/proof")

with subtest("homes are not there, and nothing outside of the program's own place can be executed"):
    box.succeed("mkdir -p /home/somebody && touch /home/somebody/letter")
    box.fail(f"test -e {ROOT}/home/somebody/letter")
    assert "noexec" in box.succeed(f"findmnt --task {pid} --noheadings --output OPTIONS /")

with subtest("its user cannot read what is not for it"):
    ids = box.succeed(f"awk '/^[UG]id:/ {{print $2}}' /proc/{pid}/status").split()
    groups = box.succeed(f"awk '/^Groups:/ {{$1=\"\"; print}}' /proc/{pid}/status").split()
    box.succeed(f"printf secret > {INBOX}/private", f"chown root:root {INBOX}/private", f"chmod 600 {INBOX}/private")
    as_daemon = f"setpriv --reuid={ids[0]} --regid={ids[1]} --groups={','.join(groups)} --"
    box.succeed(f"{as_daemon} ls {INBOX}")
    for place in ["/etc/shadow", f"{INBOX}/private", "/etc/watchd-signing-root-only"]:
        box.succeed("install -m 600 /dev/null /etc/watchd-signing-root-only")
        box.fail(f"{as_daemon} cat {place}")
