CONFIG = "/etc/watchd/watchd.toml"
box.succeed(f"cp -L {CONFIG} /run/good.toml")
told_unit()

with subtest("a start is over when the daemon watches, and its status says so"):
    box.succeed("systemctl restart watchd.service")
    said = property_of("StatusText")
    assert said.startswith("watching 1 of 1 root; 0 events wait"), said

with subtest("it tells the watchdog again and again that it lives"):
    for _ in range(2):
        last = property_of("WatchdogTimestampMonotonic")
        box.wait_until_fails(
            f"test $(systemctl show -P WatchdogTimestampMonotonic watchd.service) = {last}", PATIENCE
        )

with subtest("a configuration that it cannot use ends it with 78, once, and somebody is told"):
    box.succeed(f"echo 'nonsense = true' | cat - /run/good.toml > /run/bad.toml; ln -sfn /run/bad.toml {CONFIG}")
    before = restarts()
    box.fail("systemctl restart watchd.service")
    wait_until_told()
    assert (property_of("ActiveState"), property_of("ExecMainStatus")) == ("failed", "78")
    assert restarts() == before
    box.require_unit_state("watchd.socket")

with subtest("it says in its log which key that is"):
    wait_until_logged("nonsense")

with subtest("it starts when the file is mended"):
    box.succeed(f"ln -sfn /run/good.toml {CONFIG}", "systemctl start watchd.service")
    drop("mended")
    wait_until_delivered("mended")
