"""A daemon under measurement, whichever it is, and the files that it is shown."""

import contextlib, json, os, pathlib, signal, socket, subprocess, tempfile, threading, time, urllib.request

from . import counters
from .place import die_with_us

QUIET_MS = 500
WARM = 3_999_999
READY_PATIENCE_S = 60


class Daemon:
    """One of them, watching a directory of its own."""

    def __init__(self, name, recipe, receiver, place, directories=0, more=None, on=None, warm=True):
        """`more` is the configuration of watchd beyond watch and endpoint; `on` another place for its state."""
        self.name, self.recipe, self.receiver = name, recipe, receiver
        self.state = pathlib.Path(tempfile.mkdtemp(dir=on or place.state, prefix=f"{name}-"))
        files = pathlib.Path(tempfile.mkdtemp(dir=place.files, prefix=f"{name}-"))
        self.root, self.aside = files / "root", files / "aside"
        self.root.mkdir()
        self.aside.mkdir()
        for number in range(directories):
            (self.root / f"directory{number}").mkdir()
        self.lost = self.repeated = 0
        self.command = recipe.command(self.root, receiver.url, QUIET_MS, self.state)
        if more is not None:
            file = config(self.state, self.root, receiver.url, more)
            self.command = [self.command[0], "run", "--config", file]
        try:
            self.start()
            if warm:
                self.land("burst", WARM, 1)
        except BaseException:
            self.close()
            raise
        self.idle_rss_mib = counters.memory_mib(self.pid, "VmRSS")

    def start(self):
        ready = self.recipe.ready
        where = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        if ready == "established":
            where = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, start_new_session=True,
                                        preexec_fn=die_with_us, **where)
        self.pid = self.process.pid
        if ready:  # it does not find what is there already
            lines = self.process.stdout or self.process.stderr
            with alarm(READY_PATIENCE_S, f"{self.name} does not get ready"):
                while ready not in lines.readline().decode():
                    if self.process.poll() is not None:
                        raise RuntimeError(f"{self.name} ended with {self.process.returncode}")
            threading.Thread(target=drain, args=[lines], daemon=True).start()

    def make(self, how, first, many, *more):
        """Makes files and says when each landed."""
        where = [self.aside, self.root] if how == "rename" else [self.root]
        command = [self.receiver.binary, how, *where, str(first), str(many), *map(str, more)]
        made = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return {int(number): int(at) for number, at in (line.split() for line in made.splitlines())}

    def land(self, how, first, many, *more, **patience):
        """Makes files, waits until they are announced: when each landed, when each came."""
        self.receiver.expect(many)
        landed = self.make(how, first, many, *more)
        arrived = self.collect(many, **patience)
        return landed, arrived

    def collect(self, many, **patience):
        arrived, self.repeated = self.receiver.collect(**patience)
        self.lost = many - len(arrived)
        return arrived

    def tell(self, number):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def stop(self, number=signal.SIGTERM):
        self.tell(number)
        self.process.wait(timeout=60)

    def close(self):
        # The files stay until the very end, see README.md: what is deleted slows down what is made next.
        self.tell(signal.SIGKILL)
        self.process.wait()


def drain(lines):
    with contextlib.suppress(ValueError):
        for _ in lines:
            pass


@contextlib.contextmanager
def alarm(seconds, why):
    def ring(*_):
        raise TimeoutError(why)
    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def config(state, root, url, more):
    """A configuration of one watch. `more`: "endpoints" by name, keys of "endpoint" and "watch", other tables as text."""
    endpoints = {"healthy": url} | more.get("endpoints", {})
    keys = lambda table: "".join(f"{key} = {json.dumps(value)}\n" for key, value in more.get(table, {}).items())
    tables = [f'[endpoint.{name}]\nurl = "{url}"\n{keys("endpoint")}' for name, url in endpoints.items()]
    tables.append(f'[watch.bench]\npath = "{root}"\nquiet = "{QUIET_MS}ms"\nendpoints = {json.dumps(list(endpoints))}\n'
                  f'{keys("watch")}')
    tables.append(f'[state]\ndir = "{state}"\n{keys("state")}')
    if "listen" in more:
        tables.append(f'[http]\nlisten = "{more["listen"]}"\n')
    file = state / "watchd.toml"
    file.write_text("".join(tables))
    return file


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def wait_for(condition, seconds, why):
    end = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > end:
            raise TimeoutError(why)
        time.sleep(0.1)
    return found


def page(address):
    """`/status` of a watchd, or None while it cannot be asked."""
    with contextlib.suppress(OSError, ValueError):
        return json.loads(urllib.request.urlopen(f"http://{address}/status", timeout=5).read())
    return None
