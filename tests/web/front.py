"""The bridge in front of a site that tells what it was asked."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final

import httpx
from fastapi import FastAPI

from bridge.cutover import Stage, Standing
from bridge.cutover.operations import Operation
from bridge.services.clock import system_clock
from bridge.store.database import Database
from bridge.store.endpoints import Author, Endpoints
from bridge.web.app import create_app
from tests.conftest import running, settings_for
from tests.site.telling import BY, router

__all__ = ["OWN", "UPSTREAM", "Front", "by", "in_front"]

UPSTREAM: Final = "wsgi:tests.site.telling:application"
OWN: Final = "the bridge's own"


def by(answer: httpx.Response) -> str:
    """Who answered: ``django``, ``bridge`` with a handler that moves, or with one of its own."""
    said: str = answer.headers.get(BY, OWN)
    return said


@dataclass(frozen=True)
class Front:
    """A running bridge, and how its operator moves endpoints."""

    app: FastAPI
    client: httpx.AsyncClient
    database: Database

    async def set(self, operation: str, stage: Stage, share: int | None = None) -> None:
        """Move an endpoint, and let the process follow at once."""
        standing = Standing.of(stage, share)
        author = Author("tests", "", system_clock())
        await Endpoints(self.database).change(
            Operation.parse(operation).shape, expected_version=None, standing=standing, author=author
        )
        await self.app.state.cutover.stages.look()

    async def ask(self, path: str, method: str = "GET", **more: Any) -> str:
        """Ask, and tell who answered."""
        return by(await self.client.request(method, path, **more))

    async def counted(self, name: str) -> dict[str, float]:
        """Read a metric, by its labels."""
        lines = (await self.client.get("/metrics")).text.splitlines()
        found = [line.removeprefix(name).rsplit(" ", 1) for line in lines if line.startswith(f"{name}{{")]
        return {labels.strip("{}").replace('"', ""): float(value) for labels, value in found}


@asynccontextmanager
async def in_front(url: str, database: Database, **settings: Any) -> AsyncIterator[Front]:
    """Start a bridge before the telling site; its client keeps no cookie."""
    app = create_app(settings_for(url, **{"upstream": UPSTREAM, **settings}), routers=[router])
    async with running(app) as client:
        client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        yield Front(app, client, database)
