"""Says what happened: to the shared counters, to this process's metrics and to the log."""

import logging
from enum import StrEnum
from typing import Final

from prometheus_client import CollectorRegistry, Counter

from bridge.errors import DatabaseError
from bridge.services.clock import Clock
from bridge.store.activity import Activity

__all__ = ["Event", "Recorder"]

_logger: Final = logging.getLogger("bridge.audit")
_APP: Final = "bridge"


class Event(StrEnum):
    """What can happen: at a login, one of the first six each time and others with it; at a refresh; to an endpoint."""

    LOGIN_SUCCEEDED = "login_succeeded"
    LOGIN_REFUSED = "login_refused"
    LOGIN_WITHOUT_CAPACITY = "login_without_capacity"
    LOGIN_LOCKED_OUT = "login_locked_out"
    """The site's lockout holds; the password was not looked at."""
    SECOND_FACTOR_REQUIRED = "second_factor_required"
    """The password was right; the login succeeds with a code, or never."""
    SECOND_FACTOR_REFUSED = "second_factor_refused"
    REFRESH_REFUSED = "refresh_refused"
    REFRESH_REUSED = "refresh_reused"
    """A spent refresh token came back: its grant was ended."""
    REFRESH_WITHOUT_SECOND_FACTOR = "refresh_without_second_factor"
    """A refresh token of the site, whose user nobody had asked for more than a password: it began no grant."""
    UPGRADE_WRITTEN = "upgrade_written"
    UPGRADE_SUPERSEDED = "upgrade_superseded"
    """Somebody changed the password between its verification and the write; theirs stands."""
    UPGRADE_FAILED = "upgrade_failed"
    """The database refused the write; the login went on."""
    UPGRADE_REVERTED = "upgrade_reverted"
    """An old value stood where an upgraded one had been: something writes the old algorithm back."""
    ENDPOINT_TRIPPED = "endpoint_tripped"
    """A new handler did harm: its operation went back to Django by itself, for all replicas."""


class Recorder:
    """Counts events.

    Args:
        activity: the counters in the database, which all replicas share.
        registry: this process's metrics.
    """

    def __init__(self, *, activity: Activity, registry: CollectorRegistry, clock: Clock) -> None:
        self._activity = activity
        self._clock = clock
        self._metric = Counter(
            "bridge_events", "What happened at logins and to endpoints, by event.", ["event"], registry=registry
        )
        for event in Event:
            self._metric.labels(event=event.value)

    async def record(self, event: Event, *, user_id: str | None = None) -> None:
        """Count an event everywhere. A database that does not count it is logged and stands in nobody's way."""
        self._metric.labels(event=event.value).inc()
        _logger.info("%s", event.value, extra={"event": event.value, "user_id": user_id})
        try:
            await self._activity.add(day=self._clock().date(), app=_APP, event=event.value)
        except DatabaseError as exc:
            _logger.warning("%s not counted in the database: %s", event.value, type(exc).__name__)
