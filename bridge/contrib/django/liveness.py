"""Whether a token still opens anything: the twin of the bridge's ``services.identity`` and ``services.lineage``."""

import hmac
import logging
import re
from datetime import UTC, datetime
from typing import Final

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import router
from django.db.models import Exists, QuerySet

from bridge.contrib.django.conf import secret_keys
from bridge.contrib.django.models import Grant, RevokedToken
from bridge.contrib.django.moments import moment_of
from bridge.contrib.django.sessions import superseded_hashes
from bridge.contrib.django.tables import is_there
from bridge.sessions.auth_hash import is_auth_hash_of, session_auth_hash

__all__ = [
    "auth_hash_of",
    "database",
    "fits_column",
    "hangs_on_present_password",
    "is_alive",
    "is_live",
    "is_migrated",
    "is_taken_back",
]

_LONGEST_ID: Final = 255
_migrated: Final[set[str]] = set()
_logger = logging.getLogger(__name__)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def database() -> str:
    """Name the database of the users, next to whom the ``bridge_*`` tables are: the one that is written to.

    A replica may not have heard of a logout yet.
    """
    return router.db_for_write(get_user_model())


def is_migrated(using: str) -> bool:
    """Tell whether the app's tables are there; asked of the database until they are.

    Between the app's deployment and the site's ``migrate``, sessions and the site's tokens go on: without the tables
    nothing can have been taken back. Whatever else keeps an answer back is raised, and keeps everybody out.
    """
    if using not in _migrated:
        if not is_there(Grant, using=using):
            _logger.warning("the bridge's tables are missing: run migrate")
            return False
        _migrated.add(using)
    return True


def is_taken_back(user: AbstractBaseUser, *, token_id: str, session_id: str | None, is_own: bool) -> bool:
    """Tell whether an access token opens nothing any more: revoked, logged out, or of a changed password.

    Before the site's ``migrate`` that is the bridge's tokens, whose logins would be there.

    One query for the site's tokens without ``sid`` and for those of a grant; one more only for a ``sid`` that is no
    grant's, and after a re-hash.

    Args:
        user: whom the token names, with the present stored password.
        token_id: its ``jti``.
        session_id: its ``sid``.
        is_own: whether the bridge issued it, whose ``sid`` is a grant's; others may have one of their own.
    """
    if not fits_column(token_id) or not fits_column(session_id or "none"):
        return True
    if not is_migrated(database()):
        return is_own
    revoked = RevokedToken.objects.using(database()).filter(token_id=token_id)
    if session_id is None:
        return revoked.exists()
    found = (
        _grants_of(user, session_id)
        .annotate(is_revoked=Exists(revoked))
        .values_list("auth_hash", "ended_at", "is_revoked")
        .first()
    )
    if found is None:
        return is_own or revoked.exists()
    auth_hash, ended_at, is_revoked = found
    return is_revoked or ended_at is not None or not hangs_on_present_password(user, auth_hash)


def is_live(user: AbstractBaseUser, session_id: str) -> bool:
    """Tell whether a user has this grant, and may still refresh it."""
    grant = _grants_of(user, session_id).first() if fits_column(session_id) else None
    return grant is not None and is_alive(grant) and hangs_on_present_password(user, grant.auth_hash)


def is_alive(grant: Grant) -> bool:
    """Tell whether a grant has neither ended nor expired."""
    return grant.ended_at is None and datetime.now(UTC) < moment_of(grant.expires_at, using=database())


def auth_hash_of(user: AbstractBaseUser) -> str:
    """Give what a grant hangs on: what a session of the same moment would carry."""
    return session_auth_hash(user.password, secret=secret_keys()[0])


def hangs_on_present_password(user: AbstractBaseUser, auth_hash: str) -> bool:
    """Tell whether a hash is of the user's stored password, or of one that was only re-hashed since.

    A query is spent only where it is not of the present one.
    """
    if is_auth_hash_of(user.password, auth_hash, secrets=secret_keys()):
        return True
    return any(hmac.compare_digest(each, auth_hash) for each in superseded_hashes(user))


def fits_column(text: str, *, longest: int = _LONGEST_ID) -> bool:
    """Tell whether there is a text and a column takes it: PostgreSQL takes no NUL, UTF-8 no lone surrogates."""
    return 0 < len(text) <= longest and "\0" not in text and _SURROGATE.search(text) is None


def _grants_of(user: AbstractBaseUser, session_id: str) -> QuerySet[Grant]:
    return Grant.objects.using(database()).filter(pk=session_id, user_id=str(user.pk))
