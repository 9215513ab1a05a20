"""One virtual machine, with the methods that the machines of NixOS's test driver have: the scripts in
../nixos run under both. Names, positional order and defaults are the other driver's; the differences are
that every wait has an end, that a wait for a connection also ends when QEMU does, and that a failure shows
what the machine last said on its console."""

import base64
import re
import shlex
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

# Longest wait for the shell of a machine that boots. Under emulation, on a busy machine, a minute is usual.
BOOT_SECONDS = 600
# Longest wait for the answer of a command without a time limit of its own.
ANSWER_SECONDS = 300
# Time beyond its own limit that a command may need: `timeout` in the guest ends it first.
GRACE_SECONDS = 60
CONSOLE_TAIL_LINES = 40
SHELL_READY = b"Spawning backdoor root shell...\n"


class Console:
    """What a machine says on its serial line, read by a thread, kept in a file and in memory."""

    def __init__(self, log: Path) -> None:
        self.lines: list[str] = []
        self.log = log
        self.changed = threading.Condition()
        self.read_until = 0

    def follow(self, connection: socket.socket) -> None:
        threading.Thread(target=self._read, args=[connection], daemon=True).start()

    def _read(self, connection: socket.socket) -> None:
        rest = b""
        with self.log.open("ab") as log:
            while chunk := _received(connection):
                log.write(chunk)
                log.flush()
                *lines, rest = (rest + chunk).split(b"\n")
                texts = [line.decode(errors="replace").rstrip("\r") for line in lines]
                with self.changed:
                    self.lines += texts
                    self.changed.notify_all()

    def wait_for(self, regex: str, timeout: float) -> None:
        end = time.monotonic() + timeout
        with self.changed:
            while True:
                while self.read_until < len(self.lines):
                    line = self.lines[self.read_until]
                    self.read_until += 1
                    if re.search(regex, line):
                        return
                if not self.changed.wait(end - time.monotonic()):
                    raise Exception(f"{regex!r} did not appear on the console in {timeout:.0f} s")

    def tail(self) -> str:
        return "\n".join(f"    | {line}" for line in self.lines[-CONSOLE_TAIL_LINES:])


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except OSError:
        return b""


class Machine:
    """A machine and its shell. Any command on a machine that is down starts it."""

    def __init__(self, name: str, command: list[str], state: Path, out: Path) -> None:
        self.name = name
        self.command = command
        self.state = state
        self.out = out
        self.console = Console(out / f"{name}.console.log")
        self.qemu: subprocess.Popen[bytes] | None = None
        self.shell: socket.socket | None = None
        self.monitor: socket.socket | None = None
        # What is done once on a machine that came up for the first time.
        self.prepare: Callable[[Machine], None] | None = None

    # ---- its power ---------------------------------------------------------------------------------

    @property
    def booted(self) -> bool:
        return self.qemu is not None

    def start(self, allow_reboot: bool = False) -> None:
        if self.booted:
            return
        self.log("starts")
        sockets = {name: self._listen(name) for name in ("shell", "monitor", "console")}
        command = self.command + ([] if allow_reboot else ["-no-reboot"])
        for name in sockets:
            path = self.state / f"{self.name}.{name}"
            command += ["-chardev", f"socket,id={name},path={path}"]
        stderr = (self.out / f"{self.name}.qemu.log").open("ab")
        self.qemu = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr)
        stderr.close()
        connected = {name: self._accept(listener) for name, listener in sockets.items()}
        self.shell, self.monitor = connected["shell"], connected["monitor"]
        self.console.follow(connected["console"])
        self._up = False

    def _listen(self, name: str) -> socket.socket:
        path = self.state / f"{self.name}.{name}"
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen(1)
        listener.settimeout(1)
        return listener

    def _accept(self, listener: socket.socket) -> socket.socket:
        with listener:
            for _ in range(60):
                try:
                    return listener.accept()[0]
                except TimeoutError:
                    self._demand_qemu()
        raise Exception(f"{self.name}: QEMU does not connect")

    def _demand_qemu(self) -> None:
        if self.qemu is None or self.qemu.poll() is not None:
            said = (self.out / f"{self.name}.qemu.log").read_text(errors="replace")
            raise Exception(f"{self.name}: QEMU has ended\n{said[-2000:]}\n{self.console.tail()}")

    def connect(self) -> None:
        """Waits for the shell."""
        self.start()
        if self._up:
            return
        begin = time.monotonic()
        self._read_until(SHELL_READY, BOOT_SECONDS)
        self._up = True
        self.log(f"has a shell after {time.monotonic() - begin:.0f} s")
        if self.prepare is not None:
            prepare, self.prepare = self.prepare, None
            prepare(self)

    def crash(self) -> None:
        """Ends the machine as a power cut does: its memory is gone, its disk is what it is."""
        if self.booted:
            self.log("loses its power")
            self.send_monitor_command("quit")
            self.wait_for_shutdown()

    def shutdown(self) -> None:
        if self.booted:
            self.connect()
            self._send(b"poweroff\n")
            self.wait_for_shutdown()

    def wait_for_shutdown(self) -> None:
        if self.qemu is not None:
            self.qemu.wait(timeout=BOOT_SECONDS)
            self._down()

    def kill(self) -> None:
        """The end of the run."""
        if self.qemu is not None:
            self.qemu.kill()
            self.qemu.wait()
            self._down()

    def _down(self) -> None:
        for connection in (self.shell, self.monitor):
            if connection is not None:
                connection.close()
        self.qemu = self.shell = self.monitor = None
        self._up = False

    def send_monitor_command(self, command: str) -> str:
        assert self.monitor is not None, f"{self.name} is down"
        self.monitor.sendall(command.encode() + b"\n")
        self.monitor.settimeout(1)
        try:
            return self.monitor.recv(65536).decode(errors="replace")
        except OSError:
            return ""

    def block(self) -> None:
        """Cuts the network between the machines."""
        self.send_monitor_command("set_link vlan1 off")

    def unblock(self) -> None:
        self.send_monitor_command("set_link vlan1 on")

    # ---- its shell ---------------------------------------------------------------------------------

    def _send(self, data: bytes) -> None:
        assert self.shell is not None
        self.shell.settimeout(GRACE_SECONDS)
        try:
            self.shell.sendall(data)
        except OSError as error:
            raise Exception(f"{self.name}: the shell is gone: {error}\n{self.console.tail()}") from None

    def _read_until(self, end: bytes, seconds: float) -> bytes:
        assert self.shell is not None
        deadline = time.monotonic() + seconds
        data = b""
        self.shell.settimeout(1)
        while not data.endswith(end):
            try:
                chunk = self.shell.recv(65536)
            except TimeoutError:
                self._demand_qemu()
                if time.monotonic() > deadline:
                    raise Exception(
                        f"{self.name}: no answer in {seconds:.0f} s\n{self.console.tail()}"
                    ) from None
                continue
            except OSError:
                chunk = b""
            if not chunk:
                raise Exception(f"{self.name}: the shell was closed\n{self.console.tail()}")
            data += chunk
        return data

    def execute(
        self,
        command: str,
        check_return: bool = True,
        check_output: bool = True,
        timeout: int | None = 900,
    ) -> tuple[int, str]:
        """Runs a command as root in a bash of its own, and returns its status and stdout."""
        self.connect()
        limit = "" if timeout is None else f"timeout {timeout} "
        quoted = shlex.quote("set -euo pipefail; " + command)
        self._send(f"{limit}bash -c {quoted} | (base64 -w 0; echo)\n".encode())
        if not check_output:
            return (-2, "")
        seconds = ANSWER_SECONDS if timeout is None else timeout + GRACE_SECONDS
        output = base64.b64decode(self._read_until(b"\n", seconds)).decode(errors="replace")
        if not check_return:
            return (-1, output)
        self._send(b"echo ${PIPESTATUS[0]}\n")
        return (int(self._read_until(b"\n", GRACE_SECONDS)), output)

    def succeed(self, *commands: str, timeout: int | None = None) -> str:
        output = ""
        for command in commands:
            status, out = self.execute(command, timeout=timeout)
            if status != 0:
                raise Exception(f"{self.name}: status {status} of: {command}\n{out}")
            output += out
        return output

    def fail(self, *commands: str, timeout: int | None = None) -> str:
        output = ""
        for command in commands:
            status, out = self.execute(command, timeout=timeout)
            if status == 0:
                raise Exception(f"{self.name}: this was to fail and did not: {command}\n{out}")
            output += out
        return output

    def wait_until_succeeds(self, command: str, timeout: int = 900) -> str:
        return self._wait_until(command, timeout, lambda status: status == 0)

    def wait_until_fails(self, command: str, timeout: int = 900) -> str:
        return self._wait_until(command, timeout, lambda status: status != 0)

    def _wait_until(self, command: str, timeout: int, wanted: Callable[[int], bool]) -> str:
        output = ""

        def is_so(_last: bool) -> bool:
            nonlocal output
            status, output = self.execute(command, timeout=timeout)
            return wanted(status)

        try:
            retry(is_so, timeout)
        except Exception as error:
            raise Exception(f"{self.name}: {error}: {command}\n{output}") from None
        return output

    # ---- its units ---------------------------------------------------------------------------------

    def systemctl(self, q: str, user: str | None = None) -> tuple[int, str]:
        assert user is None, "units of users are not offered"
        return self.execute(f"systemctl {q}")

    def get_unit_info(self, unit: str, user: str | None = None) -> dict[str, str]:
        status, lines = self.systemctl(f"--no-pager show {shlex.quote(unit)}", user)
        if status != 0:
            raise Exception(f"{self.name}: nothing is known of {unit}")
        return dict(line.split("=", 1) for line in lines.split("\n") if "=" in line)

    def get_unit_property(self, unit: str, property: str, user: str | None = None) -> str:
        status, line = self.systemctl(f"--no-pager show {shlex.quote(unit)} --property={property}", user)
        assert status == 0 and "=" in line, f"{unit} has no property {property}"
        return line.split("=", 1)[1].strip()

    def require_unit_state(self, unit: str, require_state: str = "active") -> None:
        state = self.get_unit_property(unit, "ActiveState")
        if state != require_state:
            raise Exception(f"{self.name}: {unit} is {state}, not {require_state}")

    def wait_for_unit(self, unit: str, user: str | None = None, timeout: int = 900) -> None:
        def is_active(_last: bool) -> bool:
            state = self.get_unit_property(unit, "ActiveState", user)
            idle = state == "inactive" and "No jobs" in self.systemctl("list-jobs --full 2>&1", user)[1]
            if state == "failed" or idle:
                said = self.execute(f"journalctl --no-pager -b -n 30 -u {shlex.quote(unit)}")[1]
                raise Exception(f"{self.name}: {unit} is {state}\n{said}")
            return state == "active"

        retry(is_active, timeout)

    def start_job(self, jobname: str, user: str | None = None) -> tuple[int, str]:
        return self.systemctl(f"start {jobname}", user)

    def stop_job(self, jobname: str, user: str | None = None) -> tuple[int, str]:
        return self.systemctl(f"stop {jobname}", user)

    # ---- the rest ----------------------------------------------------------------------------------

    def wait_for_file(self, filename: str, timeout: int = 900) -> None:
        self.wait_until_succeeds(f"test -e {shlex.quote(filename)}", timeout)

    def wait_for_open_port(self, port: int, addr: str = "localhost", timeout: int = 900) -> None:
        self.wait_until_succeeds(f"nc -z {addr} {port}", timeout)

    def wait_for_closed_port(self, port: int, addr: str = "localhost", timeout: int = 900) -> None:
        self.wait_until_fails(f"nc -z {addr} {port}", timeout)

    def wait_for_open_unix_socket(
        self, addr: str, is_datagram: bool = False, timeout: int = 900
    ) -> None:
        kind = "-uU" if is_datagram else "-U"
        self.wait_until_succeeds(f"nc -z {kind} {shlex.quote(addr)}", timeout)

    def wait_for_console_text(self, regex: str, timeout: int | None = None) -> None:
        self.console.wait_for(regex, ANSWER_SECONDS if timeout is None else timeout)

    def copy_from_vm(self, source: str, target_dir: str = "") -> None:
        """Into the output folder; for text and small things."""
        data = self.succeed(f"base64 -w 0 {shlex.quote(source)}")
        folder = self.out / target_dir
        folder.mkdir(parents=True, exist_ok=True)
        (folder / Path(source).name).write_bytes(base64.b64decode(data))

    def copy_from_host(self, source: str, target: str) -> None:
        """For text and small things."""
        data = base64.b64encode(Path(source).read_bytes()).decode()
        folder = shlex.quote(str(Path(target).parent))
        self.succeed(f"mkdir -p {folder}", f"echo {data} | base64 -d > {shlex.quote(target)}")
        if os.access(source, os.X_OK):
            self.succeed(f"chmod +x {shlex.quote(target)}")

    def sleep(self, secs: int) -> None:
        self.succeed(f"sleep {secs}")

    def log(self, msg: str) -> None:
        print(f"{self.name}: {msg}", flush=True)


def retry(fn: Callable[[bool], bool], timeout: int = 900) -> None:
    """Calls until it is so, a second apart, until `timeout` seconds have passed."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if fn(False):
            return
        time.sleep(1)
    if not fn(True):
        raise Exception(f"was not so within {timeout} s")
