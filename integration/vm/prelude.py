# What a script finds, for mypy; it stands before helpers and script. (NixOS has such a file, too.)
from collections.abc import Callable
from contextlib import AbstractContextManager

from machine import Machine, retry

box: Machine
receiver: Machine
start_all: Callable[[], None]
subtest: Callable[[str], AbstractContextManager[None]]


class Log:
    def info(self, text: str) -> None: ...


log: Log
