"""Who holds a bearer token: one answer for plain views, Django REST framework's neighbours and ninja."""

from dataclasses import dataclass

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from bridge.contrib.django.liveness import is_taken_back
from bridge.errors import InvalidToken
from bridge.tokens import AccessClaims, TokenVerifier

__all__ = ["Holder", "holder_of", "token_of"]


@dataclass(frozen=True, slots=True)
class Holder:
    """Who is asking, and by what token."""

    user: AbstractBaseUser
    claims: AccessClaims


def token_of(request: HttpRequest) -> str | None:
    """Give the token in ``Authorization: Bearer`` (RFC 6750 section 2.1); None without that scheme.

    Never one from a form or a query, which any other site can make a browser send.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else None


def holder_of(token: str, *, verifier: TokenVerifier) -> Holder | None:
    """Find the active user of an access token that was not taken back; None for any other token.

    Nor does one of the bridge's that is limited to a scope open anything here: Django's views know nothing of scopes,
    so that it would be good for all that its user may do.
    """
    try:
        claims = verifier.verify(token)
    except InvalidToken:
        return None
    if claims.is_own and claims.is_scoped:
        return None
    user = _active_user(claims.user_id)
    if user is None or is_taken_back(
        user, token_id=claims.token_id, session_id=claims.session_id, is_own=claims.is_own
    ):
        return None
    return Holder(user, claims)


def _active_user(user_id: str) -> AbstractBaseUser | None:
    model = get_user_model()
    try:
        user = model._default_manager.get(pk=user_id)  # noqa: SLF001  # the manager that Django's own backends use
    except (model.DoesNotExist, ValueError, ValidationError, OverflowError):
        return None
    return user if user.is_active else None
