told_unit()

with subtest("a daemon that its own port does not reach ends itself with 70 and is started again"):
    pid = wait_for_watchd()
    box.succeed("ip link set lo down")
    wait_until_logged("status=70")
    box.succeed("ip link set lo up")
    wait_for_watchd(main_pid_is_not=pid)

with subtest("somebody was told, for this was not planned"):
    wait_until_told()

with subtest("it delivers again"):
    drop("after-self-check")
    wait_until_delivered("after-self-check")
