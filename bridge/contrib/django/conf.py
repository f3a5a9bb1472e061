"""The app's settings, read when they are needed so that ``override_settings`` works.

All of them live in one dictionary, ``BRIDGE``, and each may be left out. Give them the values of the bridge's settings
of the same names (``BRIDGE_…``):

- ``SIGNING_ALGORITHM``, ``SIGNING_KEY``: what signs the bridge's tokens; SIMPLE_JWT's, else HS256 and SECRET_KEY.
- ``JWK_URL``, ``VERIFYING_KEY``: where the algorithm has key pairs, where its public keys are, or those in PEM, one or
  a list; SIMPLE_JWT's.
- ``ISSUER``, ``AUDIENCE``: of the bridge's tokens; ``bridge`` and ``django``.
- ``REFRESH_TOKEN_LIFETIME``: how long the bridge's refresh tokens live, in seconds; 1209600.
- ``GRANT_LIFETIME``: how long a login goes on with as many refreshes as one likes, in seconds; 7776000.
- ``REFRESH_GRACE``: how long after a refresh its lost answer may be asked for again, in seconds; 10, and 0 for never.
"""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.utils.encoding import force_str

from bridge.contrib.django.jwks import fetched_keys
from bridge.errors import ConfigurationError
from bridge.profile import SimpleJwtProfile
from bridge.tokens import defaults
from bridge.tokens.jwk import read_public_key
from bridge.tokens.keys import KEY_PAIR_ALGORITHMS, KeyNames, SigningKey
from bridge.tokens.keyset import MAXIMUM_KEYS, KeySet, PublicKeys, VerifyingKeys
from bridge.tokens.verifier import TokenVerifier

__all__ = [
    "bridge_audience",
    "bridge_issuer",
    "grant_lifetime",
    "lineage_age",
    "refresh_grace",
    "secret_keys",
    "simple_jwt_profile",
    "token_verifier",
    "verifying_keys",
]

DEFAULT_SIMPLE_JWT_REFRESH_TOKEN_LIFETIME = timedelta(days=1)


def token_verifier() -> TokenVerifier:
    """Build the verifier of bearer tokens from ``BRIDGE`` and ``SIMPLE_JWT``.

    Raises:
        ConfigurationError: the signing key is too weak or does not fit the algorithm.
    """
    simple_jwt: dict[str, Any] = getattr(settings, "SIMPLE_JWT", {})
    return TokenVerifier(
        keys=verifying_keys(),
        issuer=bridge_issuer(),
        audience=bridge_audience(),
        site_issuer=simple_jwt.get("ISSUER"),
        site_audience=simple_jwt.get("AUDIENCE"),
        site_tokens=simple_jwt_profile(simple_jwt).tokens_can_be_read,
    )


def verifying_keys() -> VerifyingKeys:
    """Choose the first source that is named: BRIDGE's before SIMPLE_JWT's, public keys before private ones.

    BRIDGE's VERIFYING_KEY may be a list, for a rotation without a JWK_URL: the next key joins it before the bridge
    signs with it, the last one leaves after its tokens have expired.

    Raises:
        ConfigurationError: the signing key is too weak or does not fit the algorithm, or there is none.
    """
    own: dict[str, Any] = getattr(settings, "BRIDGE", {})
    simple_jwt: dict[str, Any] = getattr(settings, "SIMPLE_JWT", {})
    algorithm = own.get("SIGNING_ALGORITHM") or simple_jwt.get("ALGORITHM", "HS256")
    if algorithm not in KEY_PAIR_ALGORITHMS:
        return _secret(own, simple_jwt, algorithm)
    for name, source in (("BRIDGE", own), ("SIMPLE_JWT", simple_jwt)):
        if source.get("JWK_URL"):
            return fetched_keys(str(source["JWK_URL"]), algorithm=algorithm)
        if source.get("VERIFYING_KEY"):
            return _public_keys(source["VERIFYING_KEY"], algorithm)
        if source.get("SIGNING_KEY"):
            return _signing(source["SIGNING_KEY"], algorithm, named=f"{name}['SIGNING_KEY']")
    raise ConfigurationError(
        f"Nothing verifies the bridge's tokens, which {algorithm} signs",
        cure="Set JWK_URL or VERIFYING_KEY in BRIDGE, or in SIMPLE_JWT.",
    )


def _secret(own: dict[str, Any], simple_jwt: dict[str, Any], algorithm: str) -> KeySet:
    if own.get("JWK_URL") or own.get("VERIFYING_KEY"):
        raise ConfigurationError(
            f"BRIDGE names keys to verify with, but the algorithm is {algorithm}, whose key is a shared secret",
            cure="Set SIGNING_ALGORITHM in BRIDGE to the bridge's BRIDGE_SIGNING_ALGORITHM.",
        )
    for name, source in (("BRIDGE", own), ("SIMPLE_JWT", simple_jwt)):
        if source.get("SIGNING_KEY"):
            return _signing(source["SIGNING_KEY"], algorithm, named=f"{name}['SIGNING_KEY']")
    return _signing(settings.SECRET_KEY, algorithm, named="SECRET_KEY")


def _signing(material: Any, algorithm: str, *, named: str) -> KeySet:
    chosen = "BRIDGE['SIGNING_ALGORITHM']" if _own("SIGNING_ALGORITHM", None) else "SIMPLE_JWT['ALGORITHM']"
    return KeySet.of_one(SigningKey.load(force_str(material), algorithm=algorithm, named=KeyNames(named, chosen)))


def _public_keys(given: Any, algorithm: str) -> PublicKeys:
    pems = given if isinstance(given, list | tuple) else (given,)
    if len(pems) > MAXIMUM_KEYS:
        raise ConfigurationError(
            f"VERIFYING_KEY lists more than {MAXIMUM_KEYS} keys", cure="Take out those whose tokens have expired."
        )
    return PublicKeys(
        algorithm=algorithm, keys=tuple(read_public_key(force_str(pem), algorithm=algorithm) for pem in pems)
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
        refresh_token_lifetime=int(_simple_jwt_refresh_lifetime(configured).total_seconds()),
    )


def _key_name() -> str:
    key: Any = get_user_model()._meta.pk  # noqa: SLF001  # Django documents the Model._meta API
    return str(key.name)


def secret_keys() -> tuple[str, ...]:
    """Give SECRET_KEY and its fallbacks."""
    return tuple(force_str(key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS))


def bridge_issuer() -> str:
    """Give ``iss`` of the bridge's own tokens."""
    return str(_own("ISSUER", defaults.ISSUER))


def bridge_audience() -> str:
    """Give ``aud`` of the bridge's own tokens."""
    return str(_own("AUDIENCE", defaults.AUDIENCE))


def grant_lifetime() -> timedelta:
    """Give how long a login goes on however often it is refreshed."""
    return timedelta(seconds=_own("GRANT_LIFETIME", defaults.GRANT_LIFETIME))


def refresh_grace() -> timedelta:
    """Give how long after a refresh its lost answer may be asked for again."""
    return timedelta(seconds=_own("REFRESH_GRACE", defaults.REFRESH_GRACE))


def lineage_age() -> timedelta:
    """Give how long what hangs on a stored password may live without a sign of life: sessions, and refresh tokens."""
    return max(
        timedelta(seconds=settings.SESSION_COOKIE_AGE),
        timedelta(seconds=_own("REFRESH_TOKEN_LIFETIME", defaults.REFRESH_TOKEN_LIFETIME)),
        _simple_jwt_refresh_lifetime(getattr(settings, "SIMPLE_JWT", {})),
    )


def _own(name: str, default: Any) -> Any:
    return getattr(settings, "BRIDGE", {}).get(name, default)


def _simple_jwt_refresh_lifetime(configured: dict[str, Any]) -> timedelta:
    lifetime: timedelta = configured.get("REFRESH_TOKEN_LIFETIME", DEFAULT_SIMPLE_JWT_REFRESH_TOKEN_LIFETIME)
    return lifetime
