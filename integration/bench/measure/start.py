"""Starts whichever daemon is named, with what all of a run share."""

import pathlib, tempfile

from .daemon import Daemon, config


class Start:
    def __init__(self, recipes, receiver, place):
        self.recipes, self.receiver, self.place = recipes, receiver, place

    def __call__(self, name, kind=Daemon, **more):
        return kind(name, self.recipes[name], self.receiver, self.place, **more)

    def recipe(self, name):
        return self.recipes[name]

    def anew(self, daemon, more):
        """The command of a watchd that has no state yet, on the same directory."""
        daemon.state = pathlib.Path(tempfile.mkdtemp(dir=self.place.state, prefix="anew-"))
        file = config(daemon.state, daemon.root, self.receiver.url, more)
        return [daemon.command[0], "run", "--config", file]
