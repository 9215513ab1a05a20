# A stick that comes and goes: an image on a loop device, mounted in the inbox.
STICK = f"{INBOX}/stick"
ELSEWHERE = "/run/elsewhere"


def image(kind: str) -> str:
    return f"/var/lib/{kind}.img"


def plug_in(kind: str, place: str = STICK) -> None:
    box.succeed(f"mkdir -p {place}", f"mount -o loop {image(kind)} {place}")


# The daemon may just be looking at a file.
def unplug(place: str = STICK) -> None:
    box.wait_until_succeeds(f"umount {place}", PATIENCE)


def comes_back(kind: str) -> None:
    names = [f"stick/{kind}-{number}" for number in range(5)]
    box.succeed(f"truncate -s 32M {image(kind)}", f"mkfs.{kind} {image(kind)} >/dev/null")
    plug_in(kind)
    for name in names:
        drop(name)
    wait_until_delivered(*names)
    unplug()
    let_time_pass(f"{kind}-is-away")
    plug_in(kind)
    let_time_pass(f"{kind}-is-back")
    drop(f"stick/{kind}-new")
    wait_until_delivered(f"stick/{kind}-new")
    assert_each_once(*names)


def comes_back_with_more(kind: str) -> None:
    unplug()
    plug_in(kind, ELSEWHERE)
    box.succeed(f"echo elsewhere > {ELSEWHERE}/{kind}-elsewhere")
    unplug(ELSEWHERE)
    plug_in(kind)
    wait_until_delivered(f"stick/{kind}-elsewhere")
    assert_each_once(f"stick/{kind}-elsewhere", f"stick/{kind}-0", f"stick/{kind}-new")
    unplug()


box.succeed("modprobe loop")

with subtest("a vfat stick that is unplugged and plugged in again announces nothing again"):
    comes_back("vfat")

with subtest("what was put on a vfat stick elsewhere is announced when it comes back, and nothing else"):
    comes_back_with_more("vfat")

with subtest("an exfat stick that is unplugged and plugged in again announces nothing again"):
    comes_back("exfat")

with subtest("what was put on an exfat stick elsewhere is announced when it comes back, and nothing else"):
    comes_back_with_more("exfat")

with subtest("nothing of a stick is announced again by a restart while another one is plugged in"):
    plug_in("vfat")
    box.succeed("systemctl restart watchd.service")
    let_time_pass("restarted")
    assert_each_once(*[f"stick/{kind}-{number}" for kind in ("vfat", "exfat") for number in range(5)])
