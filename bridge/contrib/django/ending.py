"""Ends grants with all that belongs to them, in both apps at once: the twin of the bridge's ``services.ending``."""

import logging
from datetime import UTC, datetime

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.sessions.backends import db
from django.db import DatabaseError, router, transaction
from django.db.models import Q
from django.utils.module_loading import import_string

from bridge.contrib.django import blacklist
from bridge.contrib.django.database_errors import kind_of
from bridge.contrib.django.liveness import database, fits_column
from bridge.contrib.django.models import Grant
from bridge.contrib.django.moments import column_time
from bridge.tokens import EndedBy, RefreshClaims

__all__ = [
    "delete_session",
    "end_grant",
    "end_of_session",
    "end_of_token",
    "follow_session",
]

_logger = logging.getLogger(__name__)


def end_grant(grant_id: str, *, user_id: str, by: EndedBy) -> bool:
    """End a user's grant, its refresh tokens and its session; False if it is none of theirs, or has ended before.

    A logout ends all that the user has exchanged the session for.
    """
    using = database()
    grants, end = Grant.objects.using(using).filter(user_id=user_id), _ended(by, using)
    together = own = Q(pk=grant_id)
    if by is EndedBy.LOGOUT:
        named = grants.filter(own, ended_at=None).exclude(session_key="")
        # In one statement: two that each ended one first would wait for each other. As in the bridge's ``end_joined``.
        together = Q(pk__in=grants.filter(own | Q(session_key__in=named.values("session_key"))).values("pk"))
    with transaction.atomic(using=using):
        has_ended = grants.filter(together, ended_at=None).update(**end) > 0
        over = {grant.pk: grant for grant in grants.filter(own | Q(**end))}
        if grant_id not in over:
            return False
        token_ids = {each for grant in over.values() for each in (grant.current_token_id, grant.opened_by or "")}
        blacklist.spend_grants(user_id, over, token_ids=token_ids, using=using)
        if _is_row_in(using):
            delete_session(over[grant_id].session_key)
    if not _is_row_in(using):
        delete_session(over[grant_id].session_key)
    return has_ended


def end_of_token(user: AbstractBaseUser, claims: RefreshClaims, *, by: EndedBy = EndedBy.LOGOUT) -> bool:
    """End the grant of a refresh token; False if it has none that is alive."""
    if not fits_column(claims.token_id) or not fits_column(claims.session_id or "none"):
        return False
    which = {"opened_by": claims.token_id} if claims.session_id is None else {"pk": claims.session_id}
    grant = Grant.objects.using(database()).filter(user_id=str(user.pk), **which).first()
    return grant is not None and end_grant(grant.pk, user_id=grant.user_id, by=by)


def end_of_session(name: str, *, by: EndedBy = EndedBy.LOGOUT) -> None:
    """End the grants that are joined to a session, by its ``session_name``."""
    if name == "":
        return
    joined = Grant.objects.using(database()).filter(session_key=name, ended_at=None)
    for grant_id, user_id in list(joined.values_list("pk", "user_id")):
        end_grant(grant_id, user_id=user_id, by=by)


def follow_session(name: str) -> None:
    """End the grants of a session that is over, whose request goes on even where that fails."""
    try:
        with transaction.atomic(using=database()):
            end_of_session(name)
    except DatabaseError as exc:
        # Not migrated yet, perhaps. The session ends all the same, and nobody is kept from logging in or out.
        _logger.warning("grants of a session not ended: %s", kind_of(exc))


def delete_session(name: str) -> None:
    """Delete a session from this site's store; one that is gone stays so, and one that is its own cookie is in none."""
    if name:
        import_string(f"{settings.SESSION_ENGINE}.SessionStore")(name).delete()


def _is_row_in(using: str) -> bool:
    """Tell whether a session is a row next to the grants, and nothing else: it goes with them, or not at all.

    Any other is asked whether its grant has ended (``joining.has_ended``), and is deleted once that can be seen.
    """
    store = import_string(f"{settings.SESSION_ENGINE}.SessionStore")
    return store is db.SessionStore and router.db_for_write(store.get_model_class()) == using


def _ended(by: EndedBy, using: str) -> dict[str, object]:
    return {"ended_at": column_time(datetime.now(UTC), using=using), "ended_by": by.value}
