"""Which tokens the site takes and writes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

__all__ = ["BearerProfile", "SimpleJwtProfile"]


@dataclass(frozen=True, slots=True)
class BearerProfile:
    """What the bridge's app at the site verifies the bridge's tokens by.

    Attributes:
        algorithm: empty where it has no key to verify them with, which ``manage.py check`` says.
        key_fingerprints: of its keys (``SigningKey.fingerprint``); None where it fetches them from a JWK_URL.
    """

    algorithm: str
    key_fingerprints: tuple[str, ...] | None
    issuer: str
    audience: str

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read the JSON form."""
        fingerprints = document["key_fingerprints"]
        return cls(**{**document, "key_fingerprints": None if fingerprints is None else tuple(fingerprints)})


@dataclass(frozen=True, slots=True)
class SimpleJwtProfile:
    """The settings of SIMPLE_JWT that decide which tokens the site takes; none of them secret.

    Attributes:
        key_fingerprint: of what verifies (``SigningKey.fingerprint``); None where a JWK_URL names the keys, empty where
            VERIFYING_KEY is no key.
        user_id_field_is_key: whether USER_ID_FIELD is the user table's primary key.
        check_revoke_token: CHECK_REVOKE_TOKEN, which ties every token to the stored password.
        refresh_token_lifetime: REFRESH_TOKEN_LIFETIME in seconds.
        keeps_blacklist: whether ``rest_framework_simplejwt.token_blacklist`` is installed.
        asks_second_factor: whether TOKEN_OBTAIN_SERIALIZER is the app's, or derives from it.
    """

    algorithm: str = "HS256"
    key_fingerprint: str | None = None
    issuer: str | None = None
    audience: str | None = None
    user_id_claim: str = "user_id"
    user_id_field_is_key: bool = True
    token_type_claim: str | None = "token_type"  # noqa: S105  # a claim's name
    jti_claim: str | None = "jti"
    header_types: tuple[str, ...] = ("Bearer",)
    check_revoke_token: bool = False
    refresh_token_lifetime: int = 86_400
    keeps_blacklist: bool = False
    asks_second_factor: bool = False

    @property
    def tokens_can_be_read(self) -> bool:
        """Whether a token of the site says by itself, and to us as to the site, whose it is.

        With another USER_ID_FIELD, `user_id` is not a primary key, and would name another user here.
        """
        names = (self.user_id_claim, self.token_type_claim, self.jti_claim)
        is_named = names == ("user_id", "token_type", "jti")
        return is_named and self.user_id_field_is_key and not self.check_revoke_token

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read the JSON form."""
        return cls(**{**document, "header_types": tuple(document["header_types"])})
