"""SimpleJWT at the site, made to honour grants: its own classes, its own tokens and settings, and logins that end.

Name them where SimpleJWT's stand::

    REST_FRAMEWORK = {"DEFAULT_AUTHENTICATION_CLASSES": ["bridge.contrib.rest_framework.JWTAuthentication"]}
    SIMPLE_JWT = {
        "TOKEN_OBTAIN_SERIALIZER": "bridge.contrib.rest_framework.TokenObtainPairSerializer",
        "TOKEN_REFRESH_SERIALIZER": "bridge.contrib.rest_framework.TokenRefreshSerializer",
        "TOKEN_BLACKLIST_SERIALIZER": "bridge.contrib.rest_framework.TokenBlacklistSerializer",
    }
"""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import update_last_login
from django.core.exceptions import ValidationError
from django.db import DatabaseError, transaction
from rest_framework.exceptions import AuthenticationFailed
from rest_framework_simplejwt import serializers as simple_jwt
from rest_framework_simplejwt import settings as simple_jwt_settings
from rest_framework_simplejwt.authentication import JWTAuthentication as SimpleJWTAuthentication
from rest_framework_simplejwt.exceptions import AuthenticationFailed as CodedAuthenticationFailed
from rest_framework_simplejwt.exceptions import InvalidToken, TokenError
from rest_framework_simplejwt.tokens import Token

from bridge.contrib.django import blacklist
from bridge.contrib.django.conf import bridge_issuer
from bridge.contrib.django.database_errors import kind_of
from bridge.contrib.django.ending import end_of_token
from bridge.contrib.django.grants import begin_at_its_end, can_keep, lock_grant_of, open_grant, take_turn
from bridge.contrib.django.liveness import database, is_taken_back
from bridge.contrib.django.models import Grant
from bridge.contrib.django.moments import moment_of
from bridge.contrib.django.second_factors import has_second_factor
from bridge.tokens import RefreshClaims, is_of_bridge

__all__ = ["JWTAuthentication", "TokenBlacklistSerializer", "TokenObtainPairSerializer", "TokenRefreshSerializer"]

_logger = logging.getLogger(__name__)


class JWTAuthentication(SimpleJWTAuthentication):
    """Refuses what was taken back as well: revoked tokens, ended logins, and those of a changed password.

    And tokens of the bridge that are limited to a scope: Django's views know nothing of those.
    """

    def get_user(self, validated_token: Token) -> Any:
        """Find the user of a token.

        Raises:
            AuthenticationFailed: as SimpleJWT's.
            InvalidToken: it opens nothing any more, or is one of the bridge's that is limited to a scope.
        """
        is_own = is_of_bridge(validated_token.payload, issuer=bridge_issuer())
        if is_own and validated_token.get("scope", "") != "":
            raise InvalidToken
        user: Any = super().get_user(validated_token)
        if is_taken_back(
            user,
            token_id=str(validated_token.get(_settings().JTI_CLAIM, "none")),
            session_id=_session_id(validated_token),
            is_own=is_own,
        ):
            raise InvalidToken
        return user


class TokenObtainPairSerializer(simple_jwt.TokenObtainPairSerializer):
    """Opens a grant with each login, which its tokens name as ``sid``."""

    def validate(self, attrs: dict[str, Any]) -> dict[str, str]:
        """Do as SimpleJWT's, with the second factor and the grant between the password and the tokens.

        Raises:
            AuthenticationFailed: as SimpleJWT's; ``mfa_required`` for whom the password is not enough.
        """
        data: dict[str, str] = super(simple_jwt.TokenObtainPairSerializer, self).validate(attrs)
        user: Any = self.user
        self.require_second_factor(user)
        refresh: Any = self.get_token(user)
        _open_grant(user, refresh, device=_device(self.context))
        data |= {"refresh": str(refresh), "access": str(refresh.access_token)}
        if _settings().UPDATE_LAST_LOGIN:
            update_last_login(None, user)  # type: ignore[arg-type]  # as SimpleJWT calls it
        return data

    def require_second_factor(self, user: AbstractBaseUser) -> None:
        """Refuse a user who has one; a serializer that takes codes itself overrides this, and refuses by ``super``.

        Raises:
            AuthenticationFailed: ``mfa_required``.
        """
        if has_second_factor(user):
            detail = "A second factor is required; log in at the bridge, which asks for its code"
            raise CodedAuthenticationFailed(detail, "mfa_required")


class TokenRefreshSerializer(simple_jwt.TokenRefreshSerializer):
    """Exchanges refresh tokens of either app by the bridge's rules; ROTATE_REFRESH_TOKENS says whether they change."""

    def validate(self, attrs: dict[str, Any]) -> dict[str, str]:
        """Exchange a refresh token, once.

        Raises:
            TokenError: it is spent, ended, expired, of a changed password or of nobody, limited to a scope that cannot
                be read, or for a password alone where that is not enough; nobody learns which.
            AuthenticationFailed: its user may not log in.
        """
        refresh: Any = _even_if_spent(self.token_class)(attrs["refresh"])
        user = self._user_of(refresh)
        rotates: bool = _settings().ROTATE_REFRESH_TOKENS
        with transaction.atomic(using=database()):
            grant = take_turn(user, _claims(refresh, user), device=_device(self.context), rotates=rotates)
            if grant is not None:
                _follow(refresh, grant, user, rotates=rotates)
        if grant is None:
            raise TokenError("Token is invalid")
        data = {"access": str(_access_token(refresh))}
        return data | {"refresh": str(refresh)} if rotates else data

    def _user_of(self, refresh: Token) -> AbstractBaseUser:
        user = _user_of(refresh)
        if user is None or not _settings().USER_AUTHENTICATION_RULE(user):
            raise AuthenticationFailed(self.error_messages["no_active_account"], "no_active_account")
        return user


class TokenBlacklistSerializer(simple_jwt.TokenBlacklistSerializer):
    """Logs out: ends the whole login of a refresh token, with its access tokens, in both apps."""

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Do as SimpleJWT's, and end the grant, both or neither.

        Raises:
            TokenError: as SimpleJWT's.
        """
        refresh = self.token_class(attrs["refresh"])
        user = _user_of(refresh)
        if user is None:
            return dict(super().validate(attrs))
        claims = _claims(refresh, user)
        with transaction.atomic(using=database()):
            begin_at_its_end(user, claims)
            # Before the blacklist is written to, as everywhere else: else two could wait for each other.
            lock_grant_of(claims)
            data: dict[str, Any] = super().validate(attrs)
            end_of_token(user, claims)
        return data


def _open_grant(user: AbstractBaseUser, refresh: Token, *, device: str) -> None:
    """Let a login's tokens name a grant; without one they are what SimpleJWT gives, and begin one when refreshed."""
    if not can_keep(_claims(refresh, user)):
        _logger.warning("no grant kept for user %s: the scope cannot be read", user.pk)
        return
    try:
        with transaction.atomic(using=database()):
            refresh["sid"] = open_grant(user, _claims(refresh, user), device=device).pk
            blacklist.record(user, _claims(refresh, user), text=str(refresh), using=database())
    except DatabaseError as exc:
        refresh.payload.pop("sid", None)
        _logger.warning("no grant kept for user %s: %s", user.pk, kind_of(exc))


def _follow(refresh: Any, grant: Grant, user: AbstractBaseUser, *, rotates: bool) -> None:
    """Turn a refresh token into its grant's newest, again if need be: that follows from the grant alone."""
    refresh["sid"] = grant.pk
    if not rotates:
        return
    rotated_at = moment_of(grant.rotated_at, using=database())
    expires_at = min(rotated_at + refresh.lifetime, moment_of(grant.expires_at, using=database()))
    refresh[_settings().JTI_CLAIM] = grant.current_token_id
    refresh["iat"] = int(rotated_at.timestamp())
    refresh["exp"] = int(expires_at.timestamp())
    blacklist.record(user, _claims(refresh, user), text=str(refresh), using=database())


def _access_token(refresh: Any) -> Any:
    access = refresh.access_token
    if "token_use" in access:
        # SimpleJWT copies what it does not know, and allauth goes by this.
        access["token_use"] = "access"  # noqa: S105  # a claim
    return access


@cache
def _even_if_spent(token_class: Any) -> Any:
    """Give a token class that believes spent tokens too: what they mean is for the grant to say."""
    return type(token_class.__name__, (token_class,), {"check_blacklist": lambda _: None})


def _claims(refresh: Token, user: AbstractBaseUser) -> RefreshClaims:
    issued_at, scope = refresh.get("iat"), refresh.get("scope", "")
    return RefreshClaims(
        user_id=str(user.pk),
        token_id=str(refresh.get(_settings().JTI_CLAIM) or ""),
        expires_at=datetime.fromtimestamp(refresh["exp"], UTC),
        issued_at=datetime.fromtimestamp(issued_at, UTC) if isinstance(issued_at, int | float) else None,
        scope=tuple(scope.split()) if isinstance(scope, str) else (),
        is_scoped=scope != "",
        session_id=_session_id(refresh),
        is_own=is_of_bridge(refresh.payload, issuer=bridge_issuer()),
    )


def _session_id(token: Token) -> str | None:
    session_id = token.get("sid")
    return session_id if isinstance(session_id, str) else None


def _user_of(token: Token) -> AbstractBaseUser | None:
    model = get_user_model()
    named = {_settings().USER_ID_FIELD: token.get(_settings().USER_ID_CLAIM)}
    try:
        return model._default_manager.get(**named)  # noqa: SLF001  # the manager that Django's own backends use
    except (model.DoesNotExist, ValueError, ValidationError, OverflowError):
        return None


def _device(context: Mapping[str, Any]) -> str:
    request = context.get("request")
    return "" if request is None else str(request.headers.get("User-Agent", ""))


def _settings() -> Any:
    # Read anew: SimpleJWT replaces them when a test overrides its settings.
    return simple_jwt_settings.api_settings
