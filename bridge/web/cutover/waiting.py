"""A bridge that starts while its database is away: Django answers everything until the database does."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from fastapi import APIRouter, FastAPI

from bridge.cutover.matching import OwnPaths
from bridge.errors import BridgeError, DatabaseUnavailable
from bridge.web.cutover.operations import own_paths
from bridge.web.proxy import Upstream, open_upstream
from bridge.web.settings import Settings

__all__ = ["Waiting", "waiting"]

_logger: Final = logging.getLogger(__name__)
_AGAIN_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Waiting:
    """What answers until the stages are known: the site, but for the bridge's own paths.

    Attributes:
        own_paths: what the bridge answers, by saying that the database is away where it needs it.
        upstream: the site.
    """

    own_paths: OwnPaths
    upstream: Upstream


@asynccontextmanager
async def waiting(
    app: FastAPI,
    settings: Settings,
    upstream: str,
    routers: Sequence[APIRouter],
    service: Callable[[], AbstractAsyncContextManager[None]],
) -> AsyncIterator[None]:
    """Let everything pass to the site, and begin the service as soon as the database answers.

    Args:
        app: whose requests these are.
        settings: of both.
        upstream: the site, as BRIDGE_UPSTREAM names it.
        routers: the migrated endpoints.
        service: what serves, while its context lasts; raises a ``BridgeError`` where it cannot yet.
    """
    site = await open_upstream(
        upstream,
        trusted_proxies=settings.trusted_proxies,
        timeout=timedelta(seconds=settings.upstream_timeout),
    )
    app.state.cutover = Waiting(OwnPaths(own_paths(app, routers)), site)
    ending = asyncio.Event()
    beginning = asyncio.create_task(_begin(service, ending))
    beginning.add_done_callback(_tell_of_end)
    try:
        yield
    finally:
        ending.set()
        await asyncio.wait([beginning])
        await site.close()


async def _begin(service: Callable[[], AbstractAsyncContextManager[None]], ending: asyncio.Event) -> None:
    told = ""
    while not ending.is_set():
        try:
            async with service():
                _logger.info("the database answers: endpoints are where their stages are")
                await ending.wait()
        except BridgeError as exc:
            # What an operator has to mend holds no longer than until they have.
            if str(exc) != told:
                told = str(exc)
                _tell_why_not(exc)
            with suppress(TimeoutError):
                await asyncio.wait_for(ending.wait(), _AGAIN_SECONDS)


def _tell_why_not(exc: BridgeError) -> None:
    if isinstance(exc, DatabaseUnavailable):
        _logger.warning("the database is away, all requests go to the site until it answers: %s. %s", exc, exc.cure)
    else:
        _logger.critical("the service cannot begin, all requests go to the site: %s", exc)


def _tell_of_end(beginning: asyncio.Task[None]) -> None:
    """Log what nobody foresaw; everything stays with the site."""
    if not beginning.cancelled() and beginning.exception() is not None:
        _logger.critical("the service does not begin, restart this process", exc_info=beginning.exception())
