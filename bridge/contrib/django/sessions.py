"""Keeps sessions alive over a re-hash: Django asks the user model for other hashes a session may carry."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from typing import Any, Final

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import OperationalError, ProgrammingError, connections, router, transaction
from django.utils import timezone

from bridge.contrib.django.conf import secret_keys
from bridge.contrib.django.database_errors import kind_of
from bridge.contrib.django.models import PasswordLineage
from bridge.contrib.django.tables import is_there
from bridge.sessions.lineage import lineage_digest

__all__ = ["ASKED_LINEAGE", "accept_superseded_hashes"]

ASKED_LINEAGE: Final = "_bridge_asked_lineage"
"""Set on a user once Django has asked for superseded hashes: no key of the site matched before."""

_logger = logging.getLogger(__name__)

Fallback = Callable[[AbstractBaseUser], Iterable[str]]


def accept_superseded_hashes(model: type[AbstractBaseUser]) -> None:
    """Let ``get_session_auth_fallback_hash`` also yield the hashes of values that were re-hashed.

    Django calls it only when a session's hash does not match, so that the happy path costs no query. The hook is
    removed with the app: nothing in the sessions or the user model remembers it.
    """
    if model.get_session_auth_hash is not AbstractBaseUser.get_session_auth_hash:
        return  # it may mean to end sessions that a stock hash would keep; W006 says so
    original: Fallback = model.get_session_auth_fallback_hash
    if not hasattr(original, "without_lineage"):
        model.get_session_auth_fallback_hash = _with_lineage(original)  # type: ignore[assignment,method-assign]


def _with_lineage(original: Fallback) -> Fallback:
    @wraps(original)
    def get_session_auth_fallback_hash(self: AbstractBaseUser) -> Iterator[str]:
        yield from original(self)
        setattr(self, ASKED_LINEAGE, True)
        yield from _outside_the_event_loop(superseded_hashes, self)

    get_session_auth_fallback_hash.without_lineage = original  # type: ignore[attr-defined]
    return get_session_auth_fallback_hash


def superseded_hashes(user: AbstractBaseUser) -> list[str]:
    """Give the auth hashes of values that the present one is a re-hash of; none before the site's ``migrate``.

    Raises:
        DatabaseError: the database does not answer; Django would delete the session of whom there is no hash.
    """
    database = router.db_for_write(type(user), instance=user)
    digests = [lineage_digest(user.password, secret=secret) for secret in secret_keys()]
    links = PasswordLineage.objects.using(database).filter(
        user_id=str(user.pk), new_digest__in=digests, expires_at__gt=timezone.now()
    )
    try:
        with transaction.atomic(using=database):
            return list(links.values_list("old_auth_hash", flat=True))
    except transaction.TransactionManagementError:
        raise
    except (ProgrammingError, OperationalError) as exc:
        # Missing, which SQLite tells by the latter, or not for this role to read: as it would without the bridge, the
        # session ends.
        if isinstance(exc, OperationalError) and is_there(links.model, using=database):
            raise
        _logger.warning("lineage of user %s not read: %s", user.pk, kind_of(exc))
        return []


def _outside_the_event_loop(query: Callable[..., list[str]], *arguments: Any) -> list[str]:
    """Run a query; ``aget_user`` iterates this generator inside the event loop, where the ORM refuses to work."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return query(*arguments)

    def in_thread() -> list[str]:
        try:
            return query(*arguments)
        finally:
            connections.close_all()

    # Rare, once a session and re-hash; the loop waits for one indexed query.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(in_thread).result()
