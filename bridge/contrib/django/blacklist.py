"""SimpleJWT's ``token_blacklist``, where the site has it installed: the twin of the bridge's ``store.blacklist``.

Its models are asked of Django's registry, so that a site without SimpleJWT needs none.
"""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser

from bridge.tokens import RefreshClaims, unverified_session_id

__all__ = ["is_kept", "record", "spend", "spend_grants", "spent_among"]


def is_kept() -> bool:
    """Tell whether the site keeps one."""
    return apps.is_installed("rest_framework_simplejwt.token_blacklist")


def spent_among(token_ids: Collection[str], *, using: str) -> frozenset[str] | None:
    """Give those that are blacklisted; None where the site keeps no list."""
    if not is_kept():
        return None
    rows = _blacklisted().using(using).filter(token__jti__in=token_ids)
    return frozenset(rows.values_list("token__jti", flat=True))


def record(user: AbstractBaseUser, claims: RefreshClaims, *, text: str, using: str) -> None:
    """Note a refresh token as SimpleJWT does when it issues one, or what it has become since."""
    if is_kept():
        values = _listed_values(user, claims) | {"token": text}
        _outstanding().using(using).update_or_create(jti=claims.token_id, defaults=values)


def spend(user: AbstractBaseUser, claims: RefreshClaims, *, using: str) -> None:
    """Blacklist a refresh token, whether or not it was ever listed."""
    if not is_kept():
        return
    values = _listed_values(user, claims) | {"token": ""}
    listed, _ = _outstanding().using(using).get_or_create(jti=claims.token_id, defaults=values)
    _spend([listed.pk], using=using)


def spend_grants(user_id: str, grant_ids: Collection[str], *, token_ids: Collection[str], using: str) -> None:
    """Blacklist whatever refresh tokens of a user's grants are listed: those that name one, and ``token_ids``."""
    if is_kept():
        live = _live(user_id, using=using).values_list("pk", "jti", "token")
        members = [pk for pk, jti, text in live if jti in token_ids or unverified_session_id(text) in grant_ids]
        _spend(members, using=using)


def _live(user_id: str, *, using: str) -> Any:
    now = _site_time(datetime.now(UTC))
    return _outstanding().using(using).filter(user_id=user_id, expires_at__gt=now, blacklistedtoken=None)


def _spend(listed: Iterable[int], *, using: str) -> None:
    model = apps.get_model("token_blacklist", "BlacklistedToken")
    _blacklisted().using(using).bulk_create([model(token_id=pk) for pk in listed], ignore_conflicts=True)


def _listed_values(user: AbstractBaseUser, claims: RefreshClaims) -> dict[str, Any]:
    created_at = None if claims.issued_at is None else _site_time(claims.issued_at)
    return {"user": user, "created_at": created_at, "expires_at": _site_time(claims.expires_at)}


def _site_time(moment: datetime) -> datetime:
    # As SimpleJWT writes them (rest_framework_simplejwt.utils.datetime_from_epoch).
    return moment if settings.USE_TZ else moment.astimezone(UTC).replace(tzinfo=None)


def _outstanding() -> Any:
    return apps.get_model("token_blacklist", "OutstandingToken")._default_manager  # noqa: SLF001  # documented


def _blacklisted() -> Any:
    return apps.get_model("token_blacklist", "BlacklistedToken")._default_manager  # noqa: SLF001  # documented
