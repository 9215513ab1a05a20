CONFIG = "/etc/watchd/watchd.toml"
box.succeed(f"cp -L {CONFIG} /run/good.toml")


# As the module does it: another file under the same name.
def use(file: str) -> None:
    box.succeed(f"ln -sfn {file} {CONFIG}")


with subtest("a reload takes what changed, in the same process"):
    pid = wait_for_watchd()
    box.succeed("mkdir -p /srv/inbox/second")
    box.succeed("sed 's#^path = .*#&\\nexclude = [\"*.ignored\"]#' /run/good.toml > /run/other.toml")
    use("/run/other.toml")
    box.succeed("systemctl reload watchd.service")
    drop("a.ignored")
    let_time_pass("excluded")
    assert requests_of("a.ignored") == []
    assert wait_for_watchd() == pid

with subtest("a configuration that is wrong changes nothing, and says so"):
    box.succeed("echo 'nonsense = true' | cat - /run/other.toml > /run/bad.toml")
    use("/run/bad.toml")
    box.execute("systemctl reload watchd.service")
    box.wait_until_succeeds("systemctl show -p StatusText watchd.service | grep -qi config", PATIENCE)
    drop("after-bad")
    wait_until_delivered("after-bad")
    drop("b.ignored")
    let_time_pass("still-excluded")
    assert requests_of("b.ignored") == []
    assert wait_for_watchd() == pid

with subtest("a good one is taken again"):
    use("/run/good.toml")
    box.succeed("systemctl reload watchd.service")
    wait_until_delivered("a.ignored", "b.ignored")
    assert wait_for_watchd() == pid

with subtest("a key that was replaced in its file signs after a restart"):
    replace_key("/etc/watchd-signing")
    box.succeed("systemctl restart watchd.service")
    drop("new-key")
    (request,) = wait_for_requests("new-key")
    assert request["headers"]["webhook-signature"] == signature_of(request), request["headers"]

with subtest("nothing was sent twice by all of this"):
    names = [request["name"] for request in said_by_receiver()]
    assert len(names) == len(set(names)), names
