# The state directory is on a disk that fails when it is told to: the device mapper's flakey target.
STATE = "/var/lib/private/watchd"
SECTORS = 65536


def disk_is(table: str) -> None:
    box.succeed(
        "dmsetup suspend --noflush --nolockfs disk",
        f"dmsetup load disk --table '0 {SECTORS} {table}'",
        "dmsetup resume disk",
    )


def mount_state() -> None:
    # ext4 without its log: it takes writes again as soon as the disk does.
    box.succeed(
        "e2fsck -f -y /dev/mapper/disk >&2 || test $? -lt 4",
        f"mount -t ext4 -o errors=continue /dev/mapper/disk {STATE}",
    )


box.succeed(
    "systemctl stop watchd.service",
    "modprobe loop && modprobe dm-flakey",
    f"truncate -s {SECTORS * 512} /var/lib/disk.img",
)
LOOP = box.succeed("losetup --find --show /var/lib/disk.img").strip()
GOOD = f"linear {LOOP} 0"
# For an hour, from the first second on.
REFUSES = f"flakey {LOOP} 0 0 3600 1 error_writes"
SWALLOWS = f"flakey {LOOP} 0 0 3600 1 drop_writes"
box.succeed(f"dmsetup create disk --table '0 {SECTORS} {GOOD}'", "mke2fs -q -t ext4 -O ^has_journal /dev/mapper/disk")
mount_state()
box.succeed("systemctl start watchd.service")
BEFORE = [f"before-{number}" for number in range(5)]
for name in BEFORE:
    drop(name)
wait_until_delivered(*BEFORE)

with subtest("while the disk refuses writes nothing is announced, and that is said"):
    pid = wait_for_watchd()
    box.succeed(f"sync --file-system {STATE}")
    disk_is(REFUSES)
    refused = [f"refused-{number}" for number in range(5)]
    for name in refused:
        drop(name)
    wait_until_logged("the journal cannot be used")
    assert [r for name in refused for r in requests_of(name)] == []

with subtest("when it takes them again everything is delivered once, by the same process"):
    disk_is(GOOD)
    drop("after-errors")
    wait_until_delivered("after-errors", *refused)
    assert_each_once("after-errors", *refused, *BEFORE)
    assert wait_for_watchd() == pid

with subtest("what the disk swallowed before a power cut is announced again, under its first id"):
    # The first call is told of the errors before.
    box.succeed(f"sync --file-system {STATE} || sync --file-system {STATE}")
    disk_is(SWALLOWS)
    swallowed = [f"swallowed-{number}" for number in range(5)]
    for name in swallowed:
        drop(name)
    wait_until_delivered(*swallowed)
    box.succeed("systemctl stop watchd.service", f"umount {STATE}", "echo 3 > /proc/sys/vm/drop_caches")
    disk_is(GOOD)
    mount_state()
    box.succeed("systemctl start watchd.service")
    for name in swallowed:
        first, second = wait_for_requests(name, 2)[:2]
        assert first["headers"]["webhook-id"] == second["headers"]["webhook-id"], name

with subtest("what it had kept is not"):
    let_time_pass("swallowed")
    assert_each_once(*BEFORE, *refused)
