told_unit()

with subtest("a daemon that stands still is ended by the watchdog and started again"):
    pid = wait_for_watchd()
    before = restarts()
    box.succeed(f"kill -STOP {pid}")
    drop("stood-still")
    wait_for_watchd(main_pid_is_not=pid)
    assert restarts() == before + 1
    wait_until_logged("Failed with result 'watchdog'")

with subtest("what landed meanwhile is delivered"):
    wait_until_delivered("stood-still")

with subtest("somebody was told"):
    wait_until_told()
