"""A receiver of webhooks that can be told how to behave: the other machine of the VM tests.

Standard library only. POST to any path outside /control is a webhook. It is recorded, in memory and in a file,
and answered as /control/answer said last:

    POST /control/answer    {"status": 503, "headers": {"retry-after": "2"}, "hang": true, "path": "a", "times": 3}
                            hang: the answer waits until /control/release
                            path: to requests about this file (data.rel_path) alone; absent: to all others
                            times: for so many of them, then as to all others; only with a path, for a request
                            that an earlier script has sent may still be on its way
    POST /control/release   lets everything that hangs be answered
    POST /control/reset     forgets all requests, releases, and answers 200 to everything
    GET  /control/requests  what came, oldest first: headers, the body in base64, when, and how it ended
"""

import argparse
import base64
import json
import threading
import time
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

# Longest wait of a request that hangs; a test that never releases must not leave a thread for ever.
HANG_SECONDS = 600
BODY_BYTES_MAX = 1 << 20


@dataclass
class Answer:
    status: int = 200
    times: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    hang: bool = False
    path: str | None = None


@dataclass
class Recorded:
    path: str
    headers: dict[str, str]
    body: str
    at: float
    # The status that was sent, or None while it hangs or when the sender went away.
    answered: int | None = None


class Memory:
    """What came and what is answered next. The lock holds for all of it."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.changed = threading.Condition()
        self.answer = Answer()
        self.answer_about: dict[str, Answer] = {}
        self.released = 0
        self.requests: list[Recorded] = []
        if file.exists():
            self.requests = [Recorded(**json.loads(line)) for line in file.read_text().splitlines()]

    def tell(self, answer: Answer) -> None:
        if answer.times is not None and answer.path is None:
            raise ValueError("times without a path: any request could take the place of the one that is meant")
        with self.changed:
            if answer.path is None:
                self.answer = answer
            else:
                self.answer_about[answer.path] = answer

    def take(self, request: Recorded, path: str) -> Answer:
        with self.changed:
            self.requests.append(request)
            answer = self.answer_about.get(path, self.answer)
            if answer.times is not None:
                answer.times -= 1
                if answer.times <= 0:
                    del self.answer_about[path]
            generation = self.released
            if answer.hang:
                self.changed.wait_for(lambda: self.released != generation, HANG_SECONDS)
            return Answer(answer.status, None, dict(answer.headers))

    def answered(self, request: Recorded, status: int) -> None:
        with self.changed:
            request.answered = status
            with self.file.open("a") as file:
                file.write(json.dumps(asdict(request)) + "\n")

    def release(self) -> None:
        with self.changed:
            self.released += 1
            self.changed.notify_all()

    def reset(self) -> None:
        with self.changed:
            self.requests.clear()
            self.answer = Answer()
            self.answer_about.clear()
            self.file.write_text("")
        self.release()

    def shown(self) -> list[dict[str, object]]:
        with self.changed:
            return [asdict(request) for request in self.requests]


def path_in(body: bytes) -> str:
    """The file that a webhook is about, or nothing."""
    try:
        return str(json.loads(body)["data"]["rel_path"])
    except (ValueError, KeyError, TypeError):
        return ""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # An idle connection is closed; a thread serves each.
    timeout = 60
    memory: Memory

    def do_GET(self) -> None:
        if self.path == "/control/requests":
            self.reply(200, json.dumps(self.memory.shown()).encode())
        else:
            self.reply(404, b"")

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length", "0"))
        if length > BODY_BYTES_MAX:
            self.close_connection = True
            return self.reply(413, b"")
        body = self.rfile.read(length)
        if self.path.startswith("/control/"):
            return self.control(self.path.removeprefix("/control/"), body)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Recorded(self.path, headers, base64.b64encode(body).decode(), time.time())
        answer = self.memory.take(request, path_in(body))
        try:
            self.reply(answer.status, b"", answer.headers)
            self.memory.answered(request, answer.status)
        except OSError:
            self.close_connection = True
        return None

    def control(self, what: str, body: bytes) -> None:
        if what == "answer":
            try:
                self.memory.tell(Answer(**json.loads(body)))
            except (TypeError, ValueError) as error:
                return self.reply(400, str(error).encode())
        elif what == "release":
            self.memory.release()
        elif what == "reset":
            self.memory.reset()
        else:
            return self.reply(404, b"")
        return self.reply(200, b"")

    def reply(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def main() -> None:
    parser = argparse.ArgumentParser(description="records webhooks and answers as it is told")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--file", type=Path, required=True, help="what is kept over a restart")
    options = parser.parse_args()
    Handler.memory = Memory(options.file)
    Server(("", options.port), Handler).serve_forever()


if __name__ == "__main__":
    main()
