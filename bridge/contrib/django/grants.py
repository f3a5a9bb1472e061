"""Opens grants and lets their refresh tokens take turns: the twin of the bridge's ``services.granting``.

Both apps decide by ``bridge.tokens.turn_of`` under a lock on the same row, so that it does not matter which is asked.
"""

import logging
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ObjectDoesNotExist
from django.db import IntegrityError, connections, transaction
from django.db.models import F

from bridge.contrib.django import blacklist
from bridge.contrib.django.conf import grant_lifetime, refresh_grace
from bridge.contrib.django.counting import count
from bridge.contrib.django.ending import end_grant
from bridge.contrib.django.liveness import auth_hash_of, database, fits_column, hangs_on_present_password, is_alive
from bridge.contrib.django.models import Grant
from bridge.contrib.django.moments import column_time, moment_of
from bridge.contrib.django.second_factors import has_second_factor
from bridge.tokens import LONGEST_DEVICE, LONGEST_SCOPE, Chain, EndedBy, RefreshClaims, Turn, turn_of

__all__ = ["begin_at_its_end", "can_keep", "lock_grant_of", "locked_live_grant", "open_grant", "take_turn"]

_logger = logging.getLogger(__name__)


class _Reused(Exception):
    """Unwinds to before the lock."""

    def __init__(self, grant: Grant) -> None:
        super().__init__(grant.pk)
        self.grant = grant


def can_keep(claims: RefreshClaims) -> bool:
    """Tell whether a grant can be limited as its token is: by a scope that can be read, and that a row can hold."""
    return not claims.is_scoped or fits_column(" ".join(claims.scope), longest=LONGEST_SCOPE)


def open_grant(user: AbstractBaseUser, claims: RefreshClaims, *, device: str = "") -> Grant:
    """Open a grant for a user who has just proven who they are.

    Args:
        user: with the stored password that was proven, or its re-hash.
        claims: of the grant's first refresh token, which it ``can_keep``; the caller writes ``sid`` into the token.
        device: what the client calls itself; cut to 255 characters.
    """
    return _insert(_new_grant(user, claims, device=device))


def take_turn(user: AbstractBaseUser, claims: RefreshClaims, *, device: str = "", rotates: bool = True) -> Grant | None:
    """Exchange a refresh token of either app, once; give its grant, or None if it is refused.

    Of several requests at a time one rotates the token; the others, and a client whose answer got lost, are given the
    same successor: ``current_token_id``, of ``rotated_at``. A token that comes back later ends its whole grant (RFC
    9700 section 4.14.2).

    Args:
        user: whom the token names; active, with the present stored password.
        claims: of the token, whose signature and expiry were verified, and nothing else.
        device: as in ``open_grant``, for a grant that begins with a token of the site.
        rotates: whether the token is replaced (ROTATE_REFRESH_TOKENS); else it stays the newest.
    """
    if not _names_rows(claims) or not can_keep(claims):
        return None
    try:
        with transaction.atomic(using=database()):
            return _exchange(user, claims, device=device, rotates=rotates)
    except _Reused as reused:
        _logger.warning("a spent refresh token of user %s came back: its login has ended", user.pk)
        _outlasting_the_request(partial(_end_reused, reused.grant))
        return None


def locked_live_grant(user: AbstractBaseUser, session_id: str) -> Grant | None:
    """Give a user's grant if it may still be refreshed, and keep all others from it until the transaction ends."""
    grant = _locked(pk=session_id) if fits_column(session_id) else None
    if grant is None or grant.user_id != str(user.pk) or not is_alive(grant):
        return None
    return grant if _is_of_password(user, grant) and user.is_active else None


def begin_at_its_end(user: AbstractBaseUser, claims: RefreshClaims) -> None:
    """Give a refresh token of the site a grant to be ended, unless it has begun one: it never begins another."""
    if claims.is_own or claims.session_id is not None or not (_names_rows(claims) and can_keep(claims)):
        return
    begun = _new_grant(user, claims, device="")
    begun.opened_by = claims.token_id
    with suppress(IntegrityError), transaction.atomic(using=database()):
        _insert(begun)


def lock_grant_of(claims: RefreshClaims) -> None:
    """Keep all others from the grant of a refresh token, if it has one, until the transaction ends."""
    if _names_rows(claims):
        _locked_of(claims)


def _names_rows(claims: RefreshClaims) -> bool:
    return fits_column(claims.token_id) and fits_column(claims.session_id or "none")


def _locked_of(claims: RefreshClaims) -> Grant | None:
    sid = claims.session_id
    return _locked(opened_by=claims.token_id) if sid is None else _locked(pk=sid)


def _exchange(user: AbstractBaseUser, claims: RefreshClaims, *, device: str, rotates: bool) -> Grant | None:
    grant = _locked_of(claims)
    if grant is None:
        return _begin_with(user, claims, device=device, rotates=rotates)
    return _continue(grant, user, claims, rotates=rotates)


def _continue(grant: Grant, user: AbstractBaseUser, claims: RefreshClaims, *, rotates: bool) -> Grant | None:
    if grant.user_id != str(user.pk) or not is_alive(grant):
        return None
    was_active = user.is_active
    if not _is_of_password(user, grant):
        end_grant(grant.pk, user_id=grant.user_id, by=EndedBy.PASSWORD)
        return None
    if was_active and not user.is_active:
        return None  # since they were asked for; whether others may go on is the site's to say
    now = datetime.now(UTC)
    chain = Chain(
        current=grant.current_token_id,
        previous=grant.previous_token_id,
        rotated_at=moment_of(grant.rotated_at, using=database()),
        spent=blacklist.spent_among({claims.token_id, grant.current_token_id}, using=database()),
    )
    turn = turn_of(claims.token_id, issued_at=claims.issued_at, chain=chain, now=now, grace=refresh_grace())
    if turn is Turn.REUSED:
        raise _Reused(grant)
    return _rotate(grant, user, claims, now=now) if turn is Turn.ROTATE and rotates else grant


def _is_of_password(user: AbstractBaseUser, grant: Grant) -> bool:
    """Tell whether a locked grant hangs on the user's present password.

    The user was read before the lock was had. Meanwhile the password may have been re-hashed, and the grant refreshed
    elsewhere, which looks like a change to whoever knows the old value only: it is read anew before it decides.
    """
    if hangs_on_present_password(user, grant.auth_hash):
        return True
    try:
        user.refresh_from_db(using=database())
    except ObjectDoesNotExist:
        return False
    return hangs_on_present_password(user, grant.auth_hash)


def _rotate(grant: Grant, user: AbstractBaseUser, claims: RefreshClaims, *, now: datetime) -> Grant:
    blacklist.spend(user, claims, using=database())
    grant.current_token_id = uuid.uuid4().hex
    grant.previous_token_id = claims.token_id
    grant.rotated_at = column_time(now, using=database())
    grant.auth_hash = auth_hash_of(user)
    grant.save(using=database(), update_fields=["current_token_id", "previous_token_id", "rotated_at", "auth_hash"])
    return grant


def _begin_with(user: AbstractBaseUser, claims: RefreshClaims, *, device: str, rotates: bool) -> Grant | None:
    """Open a grant with a refresh token of the site, which knows of none."""
    if claims.is_own or claims.session_id is not None:
        return None  # its grant is gone
    if claims.token_id in (blacklist.spent_among({claims.token_id}, using=database()) or ()):
        return _continue_begun(user, claims, rotates=rotates)
    if has_second_factor(user):
        _logger.info("a refresh token for a password alone begins no login: user %s has a second factor", user.pk)
        return None
    begun = _new_grant(user, claims, device=device)
    begun.opened_by = claims.token_id
    if rotates:
        begun.current_token_id, begun.previous_token_id = uuid.uuid4().hex, claims.token_id
    try:
        with transaction.atomic(using=database()):
            _insert(begun)
    except IntegrityError:
        return _continue_begun(user, claims, rotates=rotates)
    if rotates:
        blacklist.spend(user, claims, using=database())
    return begun


def _continue_begun(user: AbstractBaseUser, claims: RefreshClaims, *, rotates: bool) -> Grant | None:
    """Go on with the grant that another request has begun since this one looked; else the site spent the token."""
    grant = _locked(opened_by=claims.token_id)
    return None if grant is None else _continue(grant, user, claims, rotates=rotates)


def _new_grant(user: AbstractBaseUser, claims: RefreshClaims, *, device: str) -> Grant:
    now, using = datetime.now(UTC), database()
    return Grant(
        id=uuid.uuid4().hex,
        user_id=str(user.pk),
        auth_hash=auth_hash_of(user),
        current_token_id=claims.token_id,
        scope=" ".join(claims.scope),
        device=device[:LONGEST_DEVICE] if fits_column(device[:LONGEST_DEVICE]) else "",
        created_at=column_time(now, using=using),
        rotated_at=column_time(now, using=using),
        # A site that does not rotate may have given its token longer than that.
        expires_at=column_time(max(now + grant_lifetime(), claims.expires_at), using=using),
    )


def _insert(grant: Grant) -> Grant:
    grant.save(using=database(), force_insert=True)
    return grant


def _locked(**which: str) -> Grant | None:
    """Read a grant and keep all others from rotating it until the transaction ends."""
    grants = Grant.objects.using(database()).filter(**which)
    if not connections[database()].features.has_select_for_update:
        # SQLite: what has read cannot wait for its turn to write any more, so that it asks to write first.
        grants.update(ended_by=F("ended_by"))
    return grants.select_for_update().first()


def _end_reused(grant: Grant) -> None:
    end_grant(grant.pk, user_id=grant.user_id, by=EndedBy.REUSE)
    count("refresh_reused")


def _outlasting_the_request(end: Callable[[], None]) -> None:
    """Do what must hold although the request is refused.

    With ATOMIC_REQUESTS, Django REST framework rolls the request's transaction back with the refusal; a connection of
    its own is not part of that. The lock went with the savepoint (PostgreSQL, "SAVEPOINT"); SQLite's does not.
    """
    connection = connections[database()]
    is_doomed = connection.settings_dict["ATOMIC_REQUESTS"] and connection.in_atomic_block
    if not is_doomed or not connection.features.has_select_for_update:
        end()
        return

    def in_thread() -> None:
        try:
            end()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(in_thread).result()
