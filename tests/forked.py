"""Commands and servers as processes of their own, forked from one that has imported what takes a second to import."""

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Final

__all__ = ["Running", "run_module", "running_module", "start_module"]

_PRELOADED: Final = [
    *("bridge.cli", "bridge.demo.endpoints", "django.core.management", "django.contrib.auth.hashers"),
    *("gunicorn.app.wsgiapp", "gunicorn.arbiter", "gunicorn.workers.gthread", "gunicorn.workers.sync", "uvicorn"),
    *("uvicorn.lifespan.on", "uvicorn.loops.auto", "uvicorn.protocols.http.auto", "uvicorn.protocols.websockets.auto"),
    "tests.forked",
]
_PATIENCE: Final = 60.0
"""Seconds until a command counts as hung, unless it is known to take longer. Nothing waits that long unless it is."""


def run_module(
    module: str, *arguments: str, environment: Mapping[str, str], folder: Path, patience: float = _PATIENCE
) -> subprocess.CompletedProcess[str]:
    """Do what ``python -m module arguments`` does, in a process that shares nothing with this one but the imports."""
    with running_module(module, *arguments, environment=environment, folder=folder) as running:
        return running.done(patience)


@dataclass(frozen=True)
class Running:
    """A command under way."""

    words: list[str]
    process: ForkServerProcess
    output: Path
    errors: Path

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    def done(self, patience: float = _PATIENCE) -> subprocess.CompletedProcess[str]:
        """Wait for its end; a signal's number, negative, is the code of what it ended."""
        self.process.join(patience)
        if self.process.exitcode is None:
            raise subprocess.TimeoutExpired(self.words, patience)
        said = (self.output.read_text(), self.errors.read_text())
        return subprocess.CompletedProcess(self.words, self.process.exitcode, *said)


@contextmanager
def running_module(module: str, *arguments: str, environment: Mapping[str, str], folder: Path) -> Iterator[Running]:
    """Start the same, and end it with the block."""
    with tempfile.TemporaryDirectory() as streams:
        output, errors = Path(streams, "output"), Path(streams, "errors")
        for path in (output, errors):
            path.touch()
        process = _start(_Command(module, arguments, dict(environment), folder, output, errors))
        try:
            yield Running([module, *arguments], process, output, errors)
        finally:
            process.kill()
            process.join()


def start_module(
    module: str, *arguments: str, environment: Mapping[str, str], folder: Path
) -> tuple[ForkServerProcess, Connection]:
    """Start the same, for the caller to end; all that it says comes out of the pipe."""
    said, say = _server().Pipe(duplex=False)
    with say:
        return _start(_Command(module, arguments, dict(environment), folder, say, say)), said


def _start(command: "_Command") -> ForkServerProcess:
    process = _server().Process(target=command.run)
    process.start()
    return process


@dataclass(frozen=True)
class _Command:
    """What the process becomes, with the files or pipes that take its output."""

    module: str
    arguments: tuple[str, ...]
    environment: dict[str, str]
    folder: Path
    output: Path | Connection
    errors: Path | Connection

    def run(self) -> None:
        # As from a terminal: what a shell starts in the background has Ctrl-C ignored, and so have its children.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for taker, stream in ((self.output, sys.stdout), (self.errors, sys.stderr)):
            os.dup2(_descriptor(taker), stream.fileno())
        os.environ.clear()
        os.environ.update(self.environment)
        os.chdir(self.folder)
        sys.path[:0] = [str(self.folder), *self.environment.get("PYTHONPATH", "").split(os.pathsep)]
        sys.argv = [self.module, *self.arguments]
        runpy.run_module(self.module, run_name="__main__", alter_sys=True)


def _descriptor(taker: Path | Connection) -> int:
    return taker.fileno() if isinstance(taker, Connection) else os.open(taker, os.O_WRONLY | os.O_CREAT)


@cache
def _server() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    return context
