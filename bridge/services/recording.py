"""Says what happened: to the shared counters, to this process's metrics and to the audit log."""

import ipaddress
import logging
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Final

from prometheus_client import CollectorRegistry, Counter

from bridge.services.client import Client
from bridge.services.clock import Clock
from bridge.services.tally import Tally
from bridge.store.activity import Activity, Happened
from bridge.store.database import Database, Executor

__all__ = ["FIELDS", "Event", "Recorder", "tell"]

_logger: Final = logging.getLogger("bridge.audit")
_APP: Final = "bridge"
_MOST_KEPT: Final = 10_000
"""Years of days."""

_FLUSH_EVERY: Final = timedelta(seconds=1)
"""A row that everybody who logs in counts in is written once for all of them."""

FIELDS: Final = ("event", "user_id", "account", "address", "reason", "actor", "operation", "stage", "share", "key")
"""What a line of the audit log may say (``docs/audit.md``), as attributes of the ``logging.LogRecord``."""


class Event(StrEnum):
    """What can happen, each of them one line of the audit log: ``docs/audit.md`` says when."""

    LOGIN_SUCCEEDED = "login_succeeded"
    LOGIN_REFUSED = "login_refused"
    LOGIN_WITHOUT_CAPACITY = "login_without_capacity"
    LOGIN_ABANDONED = "login_abandoned"
    """The client hung up while it waited for its turn; the password was not looked at."""
    LOGIN_LIMITED = "login_limited"
    """Too many tries for the account, from the network or of everybody; the password was not looked at."""
    LOGIN_LOCKED_OUT = "login_locked_out"
    """The site's lockout holds; the password was not looked at."""
    SECOND_FACTOR_REQUIRED = "second_factor_required"
    """The password was right; the login succeeds with a code, or never."""
    SECOND_FACTOR_REFUSED = "second_factor_refused"
    REFRESH_ROTATED = "refresh_rotated"
    REFRESH_REFUSED = "refresh_refused"
    REFRESH_REUSED = "refresh_reused"
    """A spent refresh token came back: its grant was ended."""
    REFRESH_WITHOUT_SECOND_FACTOR = "refresh_without_second_factor"
    """A refresh token of the site, whose user nobody had asked for more than a password: it began no grant."""
    REQUEST_LIMITED = "request_limited"
    """Too many codes, refreshes, introspections, registrations or password changes; it was not looked at."""
    LOGGED_OUT = "logged_out"
    LOGGED_OUT_EVERYWHERE = "logged_out_everywhere"
    GRANT_REVOKED = "grant_revoked"
    TOKEN_REVOKED = "token_revoked"  # noqa: S105  # that it was
    """Somebody who held it took it back; what nobody would have believed is none."""
    INTROSPECTION_REFUSED = "introspection_refused"
    REGISTERED = "registered"
    REGISTRATION_REFUSED = "registration_refused"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105  # that it was
    PASSWORD_CHANGE_REFUSED = "password_change_refused"  # noqa: S105  # likewise
    UPGRADE_WRITTEN = "upgrade_written"
    UPGRADE_SUPERSEDED = "upgrade_superseded"
    """Somebody changed the password between its verification and the write; theirs stands."""
    UPGRADE_FAILED = "upgrade_failed"
    """The database refused the write; the login went on."""
    UPGRADE_REVERTED = "upgrade_reverted"
    """An old value stood where an upgraded one had been: something writes the old algorithm back."""
    PASSWORD_WRAPPED = "password_wrapped"  # noqa: S105  # that it was
    PASSWORD_EXPIRED = "password_expired"  # noqa: S105  # likewise
    PASSWORD_RESTORED = "password_restored"  # noqa: S105  # likewise
    ENDPOINT_TRIPPED = "endpoint_tripped"
    """A new handler did harm: its operation went back to Django by itself, for all replicas."""
    STAGE_CHANGED = "stage_changed"
    KEY_ADDED = "key_added"
    KEY_RETIRED = "key_retired"
    KEY_REMOVED = "key_removed"
    KEYS_CHANGED = "keys_changed"
    """This process took up signing keys that had come, gone or changed places."""


_SHARED: Final = frozenset(
    {
        Event.LOGIN_SUCCEEDED,
        Event.LOGIN_REFUSED,
        Event.LOGIN_WITHOUT_CAPACITY,
        Event.LOGIN_LOCKED_OUT,
        Event.SECOND_FACTOR_REQUIRED,
        Event.SECOND_FACTOR_REFUSED,
        Event.REFRESH_REFUSED,
        Event.REFRESH_REUSED,
        Event.REFRESH_WITHOUT_SECOND_FACTOR,
        Event.UPGRADE_WRITTEN,
        Event.UPGRADE_SUPERSEDED,
        Event.UPGRADE_FAILED,
        Event.UPGRADE_REVERTED,
        Event.ENDPOINT_TRIPPED,
    }
)
"""What the report counts."""


class Recorder:
    """Counts events, and writes the audit log.

    Args:
        database: with the counters that all replicas share.
        registry: this process's metrics. They say what happened and never why, for anybody may read them.
    """

    def __init__(self, *, database: Database, registry: CollectorRegistry, clock: Clock) -> None:
        self._activity = Activity(database)
        self._clock = clock
        metric = Counter(
            "bridge_events", "What happened at logins and to endpoints, by event.", ["event"], registry=registry
        )
        self._metrics = {event: metric.labels(event=event.value) for event in Event}
        self._tally: Tally[Happened] = Tally(
            "what happened",
            database=database,
            write=self._write,
            most=_MOST_KEPT,
            lost=Counter("bridge_events_lost", "Events that the report may never have counted.", registry=registry),
        )

    def record(
        self,
        event: Event,
        *,
        user_id: str | None = None,
        account: str | None = None,
        reason: str | None = None,
        client: Client | None = None,
    ) -> None:
        """Count an event here at once and for the report with the next ``flush``, and log it.

        Args:
            event: what happened.
            user_id: to whom.
            account: of whom the name alone is known: a keyed hash of it (``Limits.name``).
            reason: in one word of ours.
            client: who asked.
        """
        self.note(event, user_id=user_id, account=account, reason=reason, address=client.address if client else None)
        if event in _SHARED:
            self._tally.add(Happened(self._clock().date(), _APP, event.value))

    async def flush(self) -> None:
        """Write what the report counts; a database that is away gets it the next time."""
        await self._tally.flush()

    async def keep_flushing(self, every: timedelta = _FLUSH_EVERY) -> None:
        """Flush for as long as the service runs; whoever cancels this flushes once more."""
        await self._tally.keep_flushing(every)

    def note(self, event: Event, **fields: str | None) -> None:
        """Count an event in this process, and log it with some of ``FIELDS``."""
        self._metrics[event].inc()
        tell(event, **fields)

    async def _write(self, counts: Mapping[Happened, int], executor: Executor) -> None:
        await self._activity.add(counts, executor=executor)


def tell(event: Event, **fields: str | None) -> None:
    """Write a line of the audit log, with some of ``FIELDS``: what commands do, which count nothing."""
    told = dict.fromkeys(FIELDS) | {"event": event.value} | fields
    told["address"] = _address(told["address"])
    _logger.info("%s", event.value, extra=told)


def _address(given: str | None) -> str | None:
    """Give an address that is one: a proxy may have sent any text."""
    try:
        return str(ipaddress.ip_address((given or "").partition("%")[0]))
    except ValueError:
        return None
