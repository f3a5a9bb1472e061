"""What a limit that has been reached is in HTTP."""

import math
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from datetime import timedelta

from bridge.errors import ConfigurationError, DatabaseError, HashingUnavailable
from bridge.services.client import Client
from bridge.services.limiting import Admitted, Limited
from bridge.services.recording import Event
from bridge.web.composition import Bridge
from bridge.web.errors import Problem

__all__ = ["admitted", "too_many", "trying"]


@asynccontextmanager
async def trying(
    bridge: Bridge, admission: Awaitable[Admitted | Limited], *, client: Client, user_id: str | None = None
) -> AsyncIterator[None]:
    """Do something that is limited; it is forgiven unless it ends in a refusal.

    Raises:
        Problem: 429, it was tried too often.
    """
    counted = await admitted(bridge, admission, client=client, user_id=user_id)
    try:
        yield
    except (DatabaseError, HashingUnavailable, ConfigurationError):
        await bridge.limits.forgive(counted)  # not theirs
        raise
    await bridge.limits.forgive(counted)


async def admitted(
    bridge: Bridge, admission: Awaitable[Admitted | Limited], *, client: Client, user_id: str | None = None
) -> Admitted:
    """Begin something that is limited.

    Raises:
        Problem: 429, it was tried too often.
    """
    found = await admission
    if isinstance(found, Limited):
        bridge.recorder.record(Event.REQUEST_LIMITED, user_id=user_id, reason=found.by, client=client)
        raise too_many(found.retry_after)
    return found


def too_many(retry_after: timedelta) -> Problem:
    """Say when it is worth trying again."""
    seconds = math.ceil(retry_after.total_seconds())
    return Problem(
        429, code="too_many_attempts", detail="Too many failed attempts", headers={"Retry-After": str(seconds)}
    )
