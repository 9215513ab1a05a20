"""The disk that every machine starts from: Debian's trixie with systemd, a root shell on the virtio console,
and nothing that takes time at boot. Made once by mmdebstrap and kept, under a name that follows from what
goes into it."""

import hashlib
import inspect
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
GUEST = HERE / "guest"
DISK_SIZE = "1200M"
# Two minutes are usual.
MMDEBSTRAP_SECONDS = 900
# What NixOS has at hand in a shell, python for the receiver, and what common/box.nix adds: file systems and the
# device mapper. NVMe and ext4 are built into this kernel, so that it boots without an initial RAM disk.
PACKAGES = [
    "systemd", "systemd-sysv", "dbus", "udev", "kmod", "linux-image-cloud-amd64", "iproute2", "procps",
    "curl", "netcat-openbsd", "python3-minimal", "libpython3-stdlib", "e2fsprogs", "dosfstools", "exfatprogs",
    "dmsetup", "ca-certificates",
]  # fmt: skip
# Not needed here, and each costs seconds under emulation.
MASKED = [
    "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer",
    "e2scrub_reap.service", "fstrim.timer", "getty@.service", "serial-getty@.service",
    "console-getty.service", "ldconfig.service", "systemd-firstboot.service", "systemd-hwdb-update.service",
    "systemd-pstore.service", "systemd-logind.service", "systemd-timesyncd.service", "tmp.mount",
    "dev-hugepages.mount", "sys-kernel-debug.mount", "sys-kernel-tracing.mount",
]  # fmt: skip


class CannotHave(Exception):
    """A piece that this machine cannot provide: nothing is proven, and nothing has failed."""


@dataclass(frozen=True)
class Image:
    disk: Path
    kernel: Path


def image(cache: Path, suite: str) -> Image:
    key = hashlib.sha256(inspect.getsource(sys.modules[__name__]).encode() + suite.encode())
    for path in sorted(GUEST.iterdir()):
        key.update(path.name.encode() + path.read_bytes())
    folder = cache / f"{suite}-{key.hexdigest()[:16]}"
    if not folder.exists():
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        make(part, suite)
        part.rename(folder)
    return Image(folder / "disk.ext4", folder / "vmlinuz")


def make(folder: Path, suite: str) -> None:
    if os.geteuid() != 0:
        raise CannotHave("making the image needs root")
    for program, package in [("mmdebstrap", "mmdebstrap"), ("mke2fs", "e2fsprogs")]:
        if shutil.which(program) is None:
            raise CannotHave(f"{program} is not installed (Debian: apt-get install {package})")
    root = folder / "root"
    print(f"making the image of {suite}; it is kept in {folder.parent}", flush=True)
    try:
        debootstrapped(root, suite, folder / "mmdebstrap.log")
        furnish(root)
        shutil.copy(next(iter(sorted((root / "boot").glob("vmlinuz-*")))), folder / "vmlinuz")
        disk = folder / "disk.ext4"
        subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", root, disk, DISK_SIZE], check=True)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def debootstrapped(root: Path, suite: str, log: Path) -> None:
    excluded = ["/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/boot/initrd*"]
    command = ["mmdebstrap", "--variant=minbase", "--mode=root", f"--include={','.join(PACKAGES)}"]
    command += [f"--dpkgopt=path-exclude={path}" for path in excluded]
    command += ['--aptopt=Acquire::Languages "none"', '--aptopt=Acquire::Check-Valid-Until "false"']
    # An initial RAM disk would take half a minute to make.
    command += ["--essential-hook=chroot $1 dpkg-divert --local --rename --add /usr/sbin/update-initramfs"]
    command += ["--essential-hook=ln -s /bin/true $1/usr/sbin/update-initramfs"]
    command += [suite, str(root), *mirrors()]
    with log.open("wb") as out:
        command = ["timeout", str(MMDEBSTRAP_SECONDS), *command]
        ended = subprocess.run(command, stdout=out, stderr=out)
    if ended.returncode != 0:
        said = log.read_text(errors="replace")[-1500:]
        raise CannotHave(f"mmdebstrap cannot make the image of {suite}\n{said}")


def mirrors() -> list[str]:
    """Where this machine's own apt gets Debian from; mmdebstrap knows one when it is no Debian."""
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Origin: Debian", "Label: Debian"]
    found = subprocess.run(command, capture_output=True, text=True)
    return sorted(set(found.stdout.split()))[:1]


def furnish(root: Path) -> None:
    units = root / "etc/systemd/system"
    for unit in MASKED:
        path = units / unit
        path.unlink(missing_ok=True)
        path.symlink_to("/dev/null")
    wanted = units / "multi-user.target.wants"
    wanted.mkdir(exist_ok=True)
    for path in sorted(GUEST.iterdir()):
        if path.suffix == ".service":
            shutil.copy(path, units)
            (wanted / path.name).symlink_to(f"../{path.name}")
    shutil.copy(GUEST / "backdoor", root / "usr/local/sbin/backdoor")
    for path in GUEST.glob("*.network"):
        shutil.copy(path, root / "etc/systemd/network")
    (wanted / "systemd-networkd.service").symlink_to("/usr/lib/systemd/system/systemd-networkd.service")
    (root / "etc/hosts").write_text((GUEST / "hosts").read_text())
    (root / "etc/machine-id").write_text("")
    (root / "var/log/journal").mkdir(exist_ok=True)
