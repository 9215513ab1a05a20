"""The other end: a process that counts requests by file, and one that answers a byte a second."""

import contextlib, select, socket, subprocess, threading, time

from .place import die_with_us

PATIENCE_S = 60
LOOK_EVERY_S = 1


class Receiver:
    """`receiver serve`; see receiver.c."""

    def __init__(self, binary, place):
        port_file = place / "port"
        self.binary = binary
        self.process = subprocess.Popen([binary, "serve", port_file], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, bufsize=1, start_new_session=True, preexec_fn=die_with_us)
        self.process.stdout.readline()
        self.url = f"http://127.0.0.1:{port_file.read_text()}/hook"

    def say(self, line):
        self.process.stdin.write(line + "\n")

    def expect(self, many):
        self.say(f"expect {many}")
        while self.process.stdout.readline() != "ready\n":
            pass  # an answer that came after the end of the count before

    def have(self):
        """How many requests have come since, repetitions included; not while they are being collected."""
        self.say("how many")
        return int(self.process.stdout.readline().split()[1])

    def collect(self, patience=PATIENCE_S):
        """When each file was announced, once all that are expected were, or nothing new came for so long."""
        have, since = -1, time.monotonic()
        while not select.select([self.process.stdout], [], [], LOOK_EVERY_S)[0]:
            self.say("how many")
            line = self.process.stdout.readline()
            if not line.startswith("have "):
                return self.numbers(line)  # the end came in between
            now = time.monotonic()
            if have != (have := int(line.split()[1])):
                since = now
            elif now - since > patience:
                self.say("give up")
                break
        return self.numbers(self.process.stdout.readline())

    def numbers(self, line):
        arrived = {}
        while not line.startswith("end "):
            if not line.startswith("have "):
                number, at = line.split()
                arrived[int(number)] = int(at)
            line = self.process.stdout.readline()
        return arrived, int(line.split()[2])

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Trickler:
    """A receiver that answers each request by a byte a second, and so never in time."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/hook"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self.trickle, args=self.listener.accept()[:1], daemon=True).start()

    def trickle(self, connection):
        with connection, contextlib.suppress(OSError):
            connection.recv(65536)
            for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 3600:
                connection.sendall(bytes([byte]))
                time.sleep(1)  # this is what it is for

    def close(self):
        self.listener.close()
