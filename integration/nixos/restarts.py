told_unit()

with subtest("a planned restart comes back by itself, drained, and tells nobody"):
    pid = wait_for_watchd()
    override("age", "[Service]\nEnvironment=WATCHD_RESTART__MAX_AGE=20s\n")
    box.succeed("systemctl restart watchd.service")
    pid = wait_for_watchd(main_pid_is_not=pid)
    wait_for_watchd(main_pid_is_not=pid)
    wait_until_logged('stopping reason="planned restart: ')
    no_override("age")
    box.succeed("systemctl restart watchd.service", "test ! -e /run/told")

with subtest("a kill is told"):
    pid = wait_for_watchd()
    box.succeed(f"kill -KILL {pid}")
    wait_until_told()
    wait_for_watchd(main_pid_is_not=pid)

with subtest("however often it is killed, it comes back, and the port stays open"):
    # A start limit that was not switched off would be met by the second start, on however slow a machine.
    quick = "RestartSec=200ms\nRestartSteps=0\nRestartMaxDelaySec=infinity\n"
    override("quick", f"[Unit]\nStartLimitBurst=1\n[Service]\n{quick}")
    for _ in range(6):
        pid = wait_for_watchd()
        box.succeed(f"kill -KILL {pid}")
        pid = wait_for_watchd(main_pid_is_not=pid)
    box.require_unit_state("watchd.socket")
    box.wait_for_open_port(9464)
    no_override("quick")

with subtest("it delivers again"):
    drop("after-kills")
    wait_until_delivered("after-kills")
