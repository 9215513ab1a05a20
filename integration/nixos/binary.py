# The store cannot change: a copy that can.
COPY = "/var/lib/watchd-copy/watchd"
PROGRAM = box.succeed("systemctl show -p ExecStart --value watchd.service | sed 's/.*path=\\([^ ;]*\\).*/\\1/'").strip()

box.succeed(f"mkdir -p $(dirname {COPY})", f"cp -L {PROGRAM} {COPY}")
override(
    "copy",
    "[Service]\nExecStart=\n"
    f"ExecStart={COPY} run --config /etc/watchd/watchd.toml\n"
    "ExecPaths=/var/lib/watchd-copy\n"
    "Environment=WATCHD_RESTART__ON_BINARY_CHANGE=true\n",
)
pid = wait_for_watchd()
box.succeed("systemctl restart watchd.service")
pid = wait_for_watchd(main_pid_is_not=pid)

with subtest("a new binary that does not run changes nothing"):
    box.succeed(f"printf broken > {COPY}.new", f"chmod +x {COPY}.new", f"mv {COPY}.new {COPY}")
    wait_until_logged("the new program is not restarted into")
    let_time_pass("broken-binary")
    assert wait_for_watchd() == pid

with subtest("a new binary that works is taken, by a restart that drains"):
    box.succeed(f"cp -L {PROGRAM} {COPY}.new", f"mv {COPY}.new {COPY}")
    wait_for_watchd(main_pid_is_not=pid)
    wait_until_logged('stopping reason="restart: the program was replaced"')
    assert property_of("Result") == "success", property_of("Result")

with subtest("it delivers again"):
    drop("after-new-binary")
    wait_until_delivered("after-new-binary")
