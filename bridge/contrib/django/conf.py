"""The app's settings, read when they are needed so that ``override_settings`` works.

All of them live in one dictionary, ``BRIDGE``; each falls back to what SimpleJWT would use.
"""

from typing import Any

from django.conf import settings
from django.utils.encoding import force_str

from bridge.tokens.keys import SigningKey
from bridge.tokens.verifier import TokenVerifier

__all__ = ["secret_keys", "token_verifier"]

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
    )


def secret_keys() -> tuple[str, ...]:
    """Give SECRET_KEY and its fallbacks."""
    return tuple(force_str(key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS))
