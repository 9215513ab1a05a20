# The Debian package, on a machine where the administrator has installed it, and written a configuration and a
# key. By hand: integration/vm/run --deb FILE [--suite bookworm].
PACKAGE = "/var/cache/watchd.deb"
log.info(box.succeed("systemctl --version | head -1; dpkg-query -W watchd").strip())

with subtest("it delivers, signed with the key that lies in /etc/watchd/secrets"):
    drop("signed")
    (request,) = wait_for_requests("signed")
    assert request["headers"]["webhook-signature"] == signature_of(request), request["headers"]

with subtest("it runs with one capability, and its exposure is within the limit"):
    pid = wait_for_watchd()
    box.succeed(f"grep -qx 'CapEff:.0000000010000000' /proc/{pid}/status")
    log.info(box.succeed("systemd-analyze security --no-pager --threshold=14 watchd.service | tail -1").strip())

with subtest("a reload takes what changed, in the same process"):
    box.succeed("sed -i 's#^path = .*#&\\nexclude = [\"*.ignored\"]#' /etc/watchd/watchd.toml")
    box.succeed("systemctl reload watchd.service")
    wait_until_logged("the configuration was read again")
    drop("a.ignored")
    let_time_pass("excluded")
    assert requests_of("a.ignored") == []
    assert wait_for_watchd() == pid

with subtest("a key that is replaced in /etc/watchd/secrets signs after a restart, and not after a reload"):
    replace_key("/etc/watchd/secrets/signing", "/etc/watchd-signing")
    box.succeed("systemctl reload watchd.service")
    drop("after-reload")
    (request,) = wait_for_requests("after-reload")
    assert request["headers"]["webhook-signature"] != signature_of(request), "systemd refreshes credentials"
    box.succeed("systemctl restart watchd.service")
    drop("after-restart")
    (request,) = wait_for_requests("after-restart")
    assert request["headers"]["webhook-signature"] == signature_of(request), request["headers"]
    pid = wait_for_watchd()

with subtest("a daemon that stands still is ended by the watchdog and started again"):
    box.succeed(f"kill -STOP {pid}")
    drop("stood-still")
    pid = wait_for_watchd(main_pid_is_not=pid)
    wait_until_logged("Failed with result 'watchdog'")
    wait_until_delivered("stood-still")

with subtest("an upgrade restarts it, the port stays open, and it delivers again"):
    box.succeed(f"dpkg -i {PACKAGE} >/dev/null 2>&1")
    wait_for_watchd(main_pid_is_not=pid)
    box.require_unit_state("watchd.socket")
    drop("after-upgrade")
    wait_until_delivered("after-upgrade")

with subtest("its manual and its completions are there"):
    box.succeed("dpkg -L watchd | grep -q man1/watchd.1", "dpkg -L watchd | grep -q bash-completion")

with subtest("removed it runs no more, and the configuration stays"):
    box.succeed("dpkg -r watchd >/dev/null 2>&1", "test -e /etc/watchd/watchd.toml")
    assert property_of("ActiveState") == "inactive"

with subtest("installing it starts nothing, and does not fail without a configuration"):
    box.succeed("dpkg -P watchd >/dev/null 2>&1", "mv /etc/watchd/watchd.toml /run/")
    box.succeed(f"dpkg -i {PACKAGE} >/dev/null 2>&1")
    assert property_of("ActiveState") == "inactive"
    box.fail("systemctl is-enabled watchd.service")
