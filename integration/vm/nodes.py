"""The two machines of the tests, as `nixos/common/test.nix` has them: what is put on each, and how QEMU is
called. On `box` are the units and the configuration that the NixOS module generates (`nixos/expected/box`)."""

import io
import json
import re
import shlex
import shutil
import subprocess
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path

from image import CannotHave, Image
from machine import Machine

NIXOS = Path(__file__).parent.parent / "nixos"
EXPECTED = NIXOS / "expected" / "box"
NAMES = ["box", "receiver"]
MEMORY_MIB = 512
KVM_PROBE_SECONDS = 15
# What is installed must outlast a power cut: what the test cuts is the daemon's files, not ours.
INSTALL = (
    "udevadm settle --timeout=120; "
    "tar -xf /dev/vda -C / && systemd-sysusers && systemd-tmpfiles --create 2>/dev/null && sync"
)

# For a binary that is not static: its libraries are not in /nix/store, the only place to execute from.
LIBRARIES = "[Service]\nExecPaths=/usr/lib /usr/lib64\n"
RECEIVER_UNIT = """[Service]
ExecStart=/usr/bin/python3 /usr/local/bin/receiver.py --file /var/lib/receiver/requests
DynamicUser=yes
StateDirectory=receiver

[Install]
WantedBy=multi-user.target
"""


class Payload:
    """A tar archive that is attached as a disk and unpacked over the root of a machine."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tar = tarfile.open(path, "w")

    def text(self, name: str, text: str) -> None:
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(text.encode()), 0o644
        self.tar.addfile(info, io.BytesIO(text.encode()))

    def program(self, name: str, source: Path) -> None:
        info = tarfile.TarInfo(name)
        info.size, info.mode = source.stat().st_size, 0o755
        with source.open("rb") as file:
            self.tar.addfile(info, file)

    def close(self) -> Path:
        self.tar.close()
        return self.path


def box_payload(path: Path, binary: Path) -> Path:
    payload = Payload(path)
    service = (EXPECTED / "watchd.service").read_text()
    program = re.search(r'^ExecStart="?(/[^" ]+)', service, re.MULTILINE)
    assert program is not None, "the generated unit starts a program"
    payload.program(program[1].lstrip("/"), binary)
    payload.text("etc/systemd/system/watchd.service", service)
    if b"ld-linux" in binary.read_bytes()[:4096]:
        payload.text("etc/systemd/system/watchd.service.d/libraries.conf", LIBRARIES)
    payload.text("etc/systemd/system/watchd.socket", (EXPECTED / "watchd.socket").read_text())
    payload.text("etc/watchd/watchd.toml", (EXPECTED / "watchd.toml").read_text())
    payload.text("etc/watchd-signing", (NIXOS / "common" / "signing").read_text())
    beside = json.loads((EXPECTED / "beside.json").read_text())
    payload.text("etc/sysusers.d/watchd.conf", "".join(f"g {group}\n" for group in beside["groups"]))
    payload.text("etc/tmpfiles.d/watchd.conf", tmpfiles(beside["tmpfiles"]))
    sysctl = (f"{name} = {value}\n" for name, value in beside["sysctl"].items())
    payload.text("etc/sysctl.d/60-watchd.conf", "".join(sysctl))
    return payload.close()


def tmpfiles(settings: dict[str, dict[str, dict[str, str]]]) -> str:
    """The lines that NixOS makes of systemd.tmpfiles.settings."""
    lines = []
    for path, types in settings.items():
        for kind, line in types.items():
            fields = [line[name] or "-" for name in ("mode", "user", "group", "age", "argument")]
            lines.append(f'{kind} "{path}" {" ".join(fields)}\n')
    return "".join(lines)


def receiver_payload(path: Path) -> Path:
    payload = Payload(path)
    payload.program("usr/local/bin/receiver.py", NIXOS / "receiver" / "receiver.py")
    payload.text("etc/systemd/system/receiver.service", RECEIVER_UNIT)
    return payload.close()


def packaged_payload(path: Path, package: Path) -> Path:
    """For a machine that has the Debian package, and what its administrator wrote."""
    payload = Payload(path)
    payload.program("var/cache/watchd.deb", package)
    toml = (EXPECTED / "watchd.toml").read_text()
    payload.text("etc/watchd/watchd.toml", toml.replace('"signing"', '"secret_signing"'))
    for name in ("etc/watchd/secrets/signing", "etc/watchd-signing"):
        payload.text(name, (NIXOS / "common" / "signing").read_text())
    payload.text("etc/tmpfiles.d/inbox.conf", "d /srv/inbox 2770 root watchd-inbox\n")
    return payload.close()


def install_package(box: Machine) -> None:
    box.succeed(
        f"{{ {INSTALL}; }} || true",
        "dpkg -i /var/cache/watchd.deb 2>&1",
        "systemd-tmpfiles --create /etc/tmpfiles.d/inbox.conf",
        "systemctl enable --now watchd.socket watchd.service 2>&1",
        timeout=300,
    )


def install_box(box: Machine) -> None:
    box.succeed(
        INSTALL,
        "sysctl -q --system >/dev/null 2>&1 || sysctl -p /etc/sysctl.d/60-watchd.conf >/dev/null",
        "systemctl daemon-reload",
        "systemctl enable watchd.socket watchd.service 2>&1",
        "systemctl start watchd.socket",
        "systemctl start --no-block watchd.service",
        timeout=300,
    )


def install_receiver(receiver: Machine) -> None:
    commands = [INSTALL, "systemctl daemon-reload", "systemctl enable --now receiver.service 2>&1"]
    receiver.succeed(*commands, timeout=300)


@dataclass
class Hardware:
    image: Image
    acceleration: list[str]


def accelerated(image: Image, out: Path) -> list[str]:
    """KVM where it works. /dev/kvm may be there and still fail, or stand still: so a kernel is started,
    which ends by itself since it finds no disk."""
    plain = ["-accel", "tcg,thread=multi", "-cpu", "qemu64,+ssse3,+sse4.1,+sse4.2,+popcnt"]
    if not Path("/dev/kvm").exists():
        return plain
    command = ["qemu-system-x86_64", "-accel", "kvm", "-cpu", "host", "-m", "256", "-nodefaults"]
    command += ["-display", "none", "-no-reboot", "-serial", f"file:{out / 'kvm-probe.log'}"]
    command += ["-kernel", str(image.kernel), "-append", "console=ttyS0 panic=-1"]
    try:
        subprocess.run(command, timeout=KVM_PROBE_SECONDS, capture_output=True)
    except subprocess.TimeoutExpired:
        pass
    log = out / "kvm-probe.log"
    works = log.exists() and "Kernel panic" in log.read_text(errors="replace")
    print("KVM works" if works else "KVM does not work here: emulating", flush=True)
    return ["-accel", "kvm", "-cpu", "host"] if works else plain


def machine(name: str, hardware: Hardware, payload: Path, state: Path, out: Path) -> Machine:
    disk = state / f"{name}.qcow2"
    base = ["-F", "raw", "-b", str(hardware.image.disk.resolve())]
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *base, str(disk)], check=True)
    kernel = f"root=/dev/nvme0n1 rw console=ttyS0 net.ifnames=0 quiet systemd.hostname={name}"
    number = NAMES.index(name) + 1
    vlan = [state / f"vlan-{each}" for each in (name, next(n for n in NAMES if n != name))]
    vlan[0].unlink(missing_ok=True)
    network = f"dgram,id=net1,local.type=unix,local.path={vlan[0]},remote.type=unix,remote.path={vlan[1]}"
    words = f"""
        setpriv --pdeathsig KILL -- qemu-system-x86_64 -name {name} -m {MEMORY_MIB} -smp 2
        -nodefaults -display none -device virtio-rng-pci
        -kernel {shlex.quote(str(hardware.image.kernel))} -append {shlex.quote(kernel)}
        -drive file={shlex.quote(str(disk))},if=none,id=root,format=qcow2,cache=writeback
        -device nvme,drive=root,serial=root
        -drive file={shlex.quote(str(payload))},if=none,id=payload,format=raw,readonly=on
        -device virtio-blk-pci,drive=payload
        -netdev {network} -device virtio-net-pci,id=vlan1,netdev=net1,mac=52:54:00:12:01:0{number}
        -device virtio-serial -device virtconsole,chardev=shell
        -mon chardev=monitor,mode=readline -serial chardev:console
    """
    return Machine(name, shlex.split(words) + hardware.acceleration, state, out)


def demand_programs() -> None:
    for program in ("qemu-system-x86_64", "qemu-img", "setpriv"):
        if shutil.which(program) is None:
            raise CannotHave(f"{program} is not installed (install-qemu)")


@dataclass
class Proven:
    """What is put on the box: a program, with what the module generates; or a Debian package."""

    binary: Path | None
    package: Path | None

    def payload(self, path: Path) -> Path:
        if self.package is not None:
            return packaged_payload(path, self.package)
        assert self.binary is not None, "--binary or --deb"
        return box_payload(path, self.binary)

    def install(self, box: Machine) -> None:
        install_package(box) if self.package is not None else install_box(box)


def machines(proven: Proven, image: Image, state: Path, out: Path) -> list[Machine]:
    hardware = Hardware(image, accelerated(image, out))
    box = machine("box", hardware, proven.payload(state / "box.tar"), state, out)
    receiver = machine("receiver", hardware, receiver_payload(state / "receiver.tar"), state, out)
    box.prepare, receiver.prepare = proven.install, install_receiver
    return [box, receiver]


# What a script may have left behind; the next one finds the machine as the first one did.
RESTORE = """
    systemctl stop watchd.service watchd.socket 2>/dev/null || true
    ip link set lo up
    awk '$2 ~ "^/(srv/inbox|var/lib/private)/" { print $2 }' /proc/mounts | tac | xargs --no-run-if-empty umount
    if dmsetup info disk >/dev/null 2>&1; then dmsetup remove disk; fi
    losetup --detach-all
    rm -rf /run/systemd/system/watchd.service.d /run/systemd/system/told.service /run/told
    rm -rf /srv/inbox /var/lib/private/watchd
    tar -xf /dev/vda -C / etc
    systemd-tmpfiles --create watchd.conf && sync
    systemctl daemon-reload
    systemctl reset-failed
    systemctl start watchd.socket watchd.service
"""
RESTORE_SECONDS = 180


class Unusable(Exception):
    """A machine that cannot be put back to where it began."""


def put_back(box: Machine, receiver: Machine) -> None:
    """Starts anew what cannot be restored."""
    try:
        restored(receiver, "systemctl start receiver.service")
        # A script may have set the clock.
        restored(box, f"date --set @{time.time():.0f} >/dev/null; {RESTORE}")
    except Exception as error:
        raise Unusable(f"a machine cannot be put back: {error}") from None


def restored(machine: Machine, commands: str) -> None:
    try:
        if machine.booted:
            machine.unblock()
        machine.succeed(commands, timeout=RESTORE_SECONDS)
    except Exception as error:
        machine.log(f"is started anew: {error}")
        machine.kill()
        machine.succeed(commands, timeout=RESTORE_SECONDS)
