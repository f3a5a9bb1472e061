"""A bridge whose database tells what it was asked."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import httpx
from fastapi import APIRouter, FastAPI
from prometheus_client import CollectorRegistry

from bridge.passwords.pool import HashingPool
from bridge.services.clock import system_clock
from bridge.services.endpoints import Rules
from bridge.services.floor import Floor
from bridge.services.preconditions import Safety
from bridge.services.recording import Recorder
from bridge.services.stages import Stages
from bridge.store.database import Batch, Database, Dialect, Executor, Parameters, Reading, Row, open_database
from bridge.store.endpoints import Endpoints
from bridge.web.app import create_app
from bridge.web.composition import Foundation, compose, site_profile
from bridge.web.composition.limits import limits_of
from tests.conftest import settings_for


@dataclass
class Counting:
    """A database that remembers what it was asked."""

    database: Database
    statements: list[str] = field(default_factory=list)

    @property
    def dialect(self) -> Dialect:
        return self.database.dialect

    @dialect.setter
    def dialect(self, _: Dialect) -> None:
        raise AttributeError("it is the database's")

    async def fetch_one(self, statement: str, parameters: Parameters | None = None) -> Row | None:
        self.statements.append(statement)
        return await self.database.fetch_one(statement, parameters)

    async def fetch_all(self, statement: str, parameters: Parameters | None = None) -> Sequence[Row]:
        self.statements.append(statement)
        return await self.database.fetch_all(statement, parameters)

    async def execute(self, statement: str, parameters: Parameters | None = None) -> int:
        self.statements.append(statement)
        return await self.database.execute(statement, parameters)

    def transaction(self) -> AbstractAsyncContextManager[Executor]:
        raise NotImplementedError  # nothing that these tests ask for writes

    def batch(self) -> AbstractAsyncContextManager[Batch]:
        raise NotImplementedError  # likewise

    def read_only(self, *, statement_timeout: timedelta) -> AbstractAsyncContextManager[Reading]:
        raise NotImplementedError  # nor is any of it run a second time

    def unhurried(self) -> Database:
        return self

    async def close(self) -> None:
        await self.database.close()


@dataclass(frozen=True)
class Counted:
    """A bridge, and what its database was asked."""

    app: FastAPI
    client: httpx.AsyncClient
    statements: list[str]


@asynccontextmanager
async def counted(url: str, *routers: APIRouter) -> AsyncIterator[Counted]:
    """Compose the bridge as ``create_app`` does, on a database that counts."""
    app = create_app(settings_for(url), routers=routers)
    database = Counting(await open_database(url))
    pool, registry = HashingPool(workers=1), CollectorRegistry()
    recorder = Recorder(database=database, registry=registry, clock=system_clock)
    source = settings_for(url).key_source()
    foundation = Foundation(
        settings_for(url),
        database,
        pool,
        recorder,
        registry,
        Safety(system_clock),
        source,
        system_clock,
        Rules(),
        Endpoints(database),
        Stages(Endpoints(database)),
        Floor(pool),
        limits_of(settings_for(url), registry, system_clock),
    )
    app.state.bridge = compose(foundation, await site_profile(database), source.look())
    database.statements.clear()
    transport = httpx.ASGITransport(app)
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://bridge") as client:
            yield Counted(app, client, database.statements)
    finally:
        await pool.close()
        await database.close()
