"""The app's settings, read when they are needed so that ``override_settings`` works.

All of them live in one dictionary, ``BRIDGE``; each falls back to what SimpleJWT would use.
"""

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.utils.encoding import force_str

from bridge.profile import SimpleJwtProfile
from bridge.tokens.keys import SigningKey
from bridge.tokens.verifier import TokenVerifier

__all__ = ["secret_keys", "simple_jwt_profile", "token_verifier"]

DEFAULT_ISSUER = "bridge"
DEFAULT_AUDIENCE = "django"


def token_verifier() -> TokenVerifier:
    """Build the verifier of bearer tokens from ``BRIDGE`` and ``SIMPLE_JWT``.

    Raises:
        ConfigurationError: the signing key is too weak or does not fit the algorithm.
    """
    own: dict[str, Any] = getattr(settings, "BRIDGE", {})
    simple_jwt: dict[str, Any] = getattr(settings, "SIMPLE_JWT", {})
    algorithm = own.get("SIGNING_ALGORITHM") or simple_jwt.get("ALGORITHM", "HS256")
    material = own.get("SIGNING_KEY") or simple_jwt.get("SIGNING_KEY") or settings.SECRET_KEY
    return TokenVerifier(
        key=SigningKey.load(force_str(material), algorithm=algorithm),
        issuer=own.get("ISSUER", DEFAULT_ISSUER),
        audience=own.get("AUDIENCE", DEFAULT_AUDIENCE),
        site_issuer=simple_jwt.get("ISSUER"),
        site_audience=simple_jwt.get("AUDIENCE"),
        site_tokens=simple_jwt_profile(simple_jwt).tokens_can_be_read,
    )


def simple_jwt_profile(configured: dict[str, Any]) -> SimpleJwtProfile:
    """Say what SIMPLE_JWT, or its defaults, make of a token; without the keys."""
    header_types = configured.get("AUTH_HEADER_TYPES", "Bearer")
    return SimpleJwtProfile(
        algorithm=configured.get("ALGORITHM", "HS256"),
        issuer=configured.get("ISSUER"),
        audience=configured.get("AUDIENCE"),
        user_id_claim=configured.get("USER_ID_CLAIM", "user_id"),
        user_id_field_is_key=configured.get("USER_ID_FIELD", "id") in (_key_name(), "pk"),
        token_type_claim=configured.get("TOKEN_TYPE_CLAIM", "token_type"),
        jti_claim=configured.get("JTI_CLAIM", "jti"),
        header_types=(header_types,) if isinstance(header_types, str) else tuple(header_types),
        check_revoke_token=bool(configured.get("CHECK_REVOKE_TOKEN", False)),
    )


def _key_name() -> str:
    key: Any = get_user_model()._meta.pk  # noqa: SLF001  # Django documents the Model._meta API
    return str(key.name)


def secret_keys() -> tuple[str, ...]:
    """Give SECRET_KEY and its fallbacks."""
    return tuple(force_str(key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS))
