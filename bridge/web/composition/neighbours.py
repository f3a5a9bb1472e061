"""What the service asks beside the database, tried once before it serves."""

from bridge.findings import TRIES_NOT_SHARED, UPSTREAM_UNREACHABLE, Finding
from bridge.store.rate_limits import Windows
from bridge.web.proxy import why_unreached
from bridge.web.settings import Settings

__all__ = ["neighbour_findings"]


async def neighbour_findings(settings: Settings) -> tuple[Finding, ...]:
    """Say which of them cannot be reached. The service starts without either, and takes them up when they come.

    Raises:
        ConfigurationError: BRIDGE_RATE_LIMIT_STORAGE is malformed.
    """
    return (*await _of_upstream(settings.upstream), *await _of_storage(settings.rate_limit_storage.get_secret_value()))


async def _of_upstream(url: str | None) -> tuple[Finding, ...]:
    reason = await why_unreached(url) if url is not None else None
    return () if reason is None else (UPSTREAM_UNREACHABLE.about(reason),)


async def _of_storage(url: str) -> tuple[Finding, ...]:
    windows = Windows(url)
    try:
        return (TRIES_NOT_SHARED,) if await windows.is_lost() else ()
    finally:
        await windows.close()
