"""What goes wrong, one thing at a time; each leaves everything as it was, but for what the servers make of it."""

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable
from typing import Final, LiteralString

from bench.soak.asking import Asker
from bench.soak.clients import Clients
from bench.soak.processes import Server
from bench.soak.servers import Servers

__all__ = ["Faults"]

_LOCKED: Final = 2.0
_AWAY: Final = 2.0
_READ_ONLY: Final = 3.0
_BURST: Final = 4
_WAITS: Final = 3.0
_GRACE: Final = 20.0
_LOOKS: Final = 0.02
_HALF: Final = (
    b"POST /auth/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
)
_FREE: Final = "SELECT username FROM auth_user WHERE username = ANY(%s) FOR UPDATE SKIP LOCKED"


class Faults:
    """The deck, shuffled again whenever it is through.

    Attributes:
        cut_in_upgrade: users whose upgrade was written and not committed when the process that did it was killed.
        slow_to_end: how often a replica that was asked to end did not.
    """

    def __init__(self, servers: Servers, clients: Clients, asker: Asker, rng: random.Random) -> None:
        self._servers = servers
        self._clients = clients
        self._asker = asker
        self._rng = rng
        self._deck: list[str] = []
        self.cut_in_upgrade = 0
        self.slow_to_end = 0
        self.kinds: dict[str, Callable[[], Awaitable[None]]] = {
            "kill -9 of a replica in the middle of upgrades": self._kill_in_upgrade,
            "kill -9 of a replica": self._kill,
            "SIGTERM of a replica": self._terminate,
            "kill -9 of a worker of the site": self._kill_site_worker,
            "database restart, fast": lambda: self._restart("fast"),
            "database restart, immediate": lambda: self._restart("immediate"),
            "database frozen": self._freeze_database,
            "all connections terminated": self._end_connections,
            "database read-only": self._read_only,
            "table locked": self._lock_table,
            "rows locked": self._lock_rows,
            "clients hang up": self._hang_up,
        }
        if servers.redis is not None:
            self.kinds |= {"Redis killed": self._kill_redis, "Redis frozen": self._freeze_redis}

    def draw(self) -> str:
        """Give the next kind."""
        if not self._deck:
            self._deck = self._rng.sample(list(self.kinds), len(self.kinds))
        return self._deck.pop()

    # Processes --------------------------------------------------------------------------------------------------------

    async def _kill(self) -> None:
        await self._end(self._servers.victim, signal.SIGKILL)

    async def _terminate(self) -> None:
        if not await self._end(self._servers.victim, signal.SIGTERM):
            self.slow_to_end += 1
            await self._end(self._servers.victim, signal.SIGKILL)

    async def _kill_site_worker(self) -> None:
        workers = self._servers.site_workers()
        if len(workers) > 1:
            os.kill(workers[-1], signal.SIGKILL)

    async def _kill_in_upgrade(self) -> None:
        """Hold what upgrades write last, wait until some have written the rest, and kill who is at it."""
        members = self._clients.newcomers(_BURST)
        async with await self._servers.postgresql.connection() as holding, holding.transaction():
            await holding.execute("LOCK TABLE bridge_password_upgrade IN ACCESS EXCLUSIVE MODE")
            logins = asyncio.create_task(self._clients.log_in_at(self._servers.victim, members))
            self.cut_in_upgrade += await self._in_the_middle([member.username for member in members])
            await self._kill()
        await logins

    async def _in_the_middle(self, usernames: list[str]) -> int:
        """Wait until rows of these users are written and not committed; give the number."""
        ends = time.monotonic() + _WAITS
        async with await self._servers.postgresql.connection() as looking:
            while True:
                free = await (await looking.execute(_FREE, [usernames])).fetchall()
                if len(free) < len(usernames) or time.monotonic() > ends:
                    return len(usernames) - len(free)
                await asyncio.sleep(_LOOKS)

    # The database -----------------------------------------------------------------------------------------------------

    async def _restart(self, mode: str) -> None:
        await asyncio.to_thread(self._servers.postgresql.control, "restart", mode)

    async def _freeze_database(self) -> None:
        frozen = self._servers.postgresql.processes()
        try:
            for each in frozen:
                _signal(each, signal.SIGSTOP)
            await asyncio.sleep(self._rng.uniform(1, _AWAY))
        finally:
            for each in frozen:
                _signal(each, signal.SIGCONT)

    async def _end_connections(self) -> None:
        await self._servers.postgresql.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )

    async def _read_only(self) -> None:
        """Do what a failover to a replica does."""
        execute = self._servers.postgresql.execute
        try:
            await execute("ALTER SYSTEM SET default_transaction_read_only = on")
            await execute("SELECT pg_reload_conf()")
            await asyncio.sleep(_READ_ONLY)
        finally:
            await execute("ALTER SYSTEM RESET default_transaction_read_only")
            await execute("SELECT pg_reload_conf()")

    async def _lock_table(self) -> None:
        """Make every statement wait, so that the pools run out of connections."""
        await self._hold("LOCK TABLE auth_user IN ACCESS EXCLUSIVE MODE")

    async def _lock_rows(self) -> None:
        await self._hold("SELECT 1 FROM auth_user WHERE id % 2 = 0 FOR UPDATE")

    async def _hold(self, statement: LiteralString) -> None:
        async with await self._servers.postgresql.connection() as connection, connection.transaction():
            await connection.execute(statement)
            await asyncio.sleep(_LOCKED)

    # The others -------------------------------------------------------------------------------------------------------

    async def _hang_up(self) -> None:
        self._asker.cuts = True
        try:
            await asyncio.gather(asyncio.sleep(_AWAY), *(self._half_a_request() for _ in range(_BURST)))
        finally:
            self._asker.cuts = False

    async def _half_a_request(self) -> None:
        """Promise a body, and go."""
        for server in self._servers.answering:
            host, _, port = server.address.rpartition("/")[2].partition(":")
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection(host, int(port))
                writer.write(_HALF)
                await writer.drain()
                writer.transport.abort()

    async def _kill_redis(self) -> None:
        if self._servers.redis is not None:
            await self._end(self._servers.redis, signal.SIGKILL)
            await asyncio.sleep(_AWAY)

    async def _freeze_redis(self) -> None:
        if self._servers.redis is not None:
            self._servers.redis.signal(signal.SIGSTOP)
            await asyncio.sleep(_AWAY)
            self._servers.redis.signal(signal.SIGCONT)

    @staticmethod
    async def _end(server: Server, how: signal.Signals) -> bool:
        server.signal(how)
        return await server.ended(_GRACE)


def _signal(pid: int, which: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, which)
