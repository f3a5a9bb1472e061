"""Databases that are not there, or not when it matters."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta

from bridge.errors import DatabaseUnavailable
from bridge.store.database import Batch, Database, Dialect, Executor, Parameters, Reading, Row


class AwayDatabase(Database):
    """Nobody answers there."""

    dialect: Dialect = "postgresql"

    async def fetch_one(self, statement: str, parameters: Parameters | None = None) -> Row | None:
        raise DatabaseUnavailable("away")

    async def fetch_all(self, statement: str, parameters: Parameters | None = None) -> Sequence[Row]:
        raise DatabaseUnavailable("away")

    async def execute(self, statement: str, parameters: Parameters | None = None) -> int:
        raise DatabaseUnavailable("away")

    def transaction(self) -> AbstractAsyncContextManager[Executor]:
        raise DatabaseUnavailable("away")

    def batch(self) -> AbstractAsyncContextManager[Batch]:
        raise DatabaseUnavailable("away")

    def read_only(self, *, statement_timeout: timedelta) -> AbstractAsyncContextManager[Reading]:
        raise DatabaseUnavailable("away")

    def unhurried(self) -> Database:
        return self

    async def close(self) -> None:
        pass


class FragileDatabase(AwayDatabase):
    """One that takes what it is given, and is lost at the moment that a test chooses.

    Attributes:
        statements: how many it was given.
        asked: set once it was given one.
        loses_commits: whether it goes away before it has answered COMMIT.
        answers: cleared, it leaves statements without an answer.
    """

    def __init__(self) -> None:
        self.statements = 0
        self.asked = asyncio.Event()
        self.loses_commits = False
        self.answers = asyncio.Event()
        self.answers.set()

    async def execute(self, statement: str, parameters: Parameters | None = None) -> int:
        self.statements += 1
        self.asked.set()
        await self.answers.wait()
        return 1

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Executor]:
        yield self
        if self.loses_commits:
            raise DatabaseUnavailable("away")
