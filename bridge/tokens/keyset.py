"""Which of our keys signs now, and which still verify."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, Protocol, Self, TypeAlias

from bridge.errors import ConfigurationError
from bridge.tokens.jwk import PublicKey, public_jwk
from bridge.tokens.keys import SigningKey, public_fingerprint

__all__ = ["MAXIMUM_KEYS", "PUBLICATION", "DatedKey", "KeySet", "KeyState", "KeyTimes", "PublicKeys", "VerifyingKeys"]

PUBLICATION: Final = timedelta(seconds=420)
"""How long a key is published before it signs.

PyJWT's PyJWKClient, and with it SimpleJWT's JWK_URL, keeps a key set for 300 s; SimpleJWT has no setting for it. A
cache in between may have kept it for 60 s before (``KeyTimes.max_age``). The last 60 s are ``_SETTLING``.
"""

_SETTLING: Final = timedelta(seconds=60)
"""Until every replica has read the directory again (ten seconds), by clocks that differ as much as doctor bears."""

_CACHED: Final = timedelta(seconds=60)

MAXIMUM_KEYS: Final = 8
"""What a token without ``kid`` costs at most, in verifications."""

KeyState: TypeAlias = Literal["waiting", "signing", "standby", "retired", "removable"]
_SINCE_EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


class VerifyingKeys(Protocol):
    """What a verifier asks: ours, or those that a site was told about."""

    @property
    def algorithm(self) -> str:
        """The one algorithm, whatever a token says."""
        ...

    def verifying(self, kid: str | None, *, now: datetime) -> Sequence[Any]:
        """Give the keys that a token with this ``kid`` may be signed by: few, and none if it is not known."""
        ...

    def verifies_until(self, key: Any) -> datetime | None:
        """Say until when it is sure that one of them verifies; None for without end."""
        ...

    @property
    def fingerprints(self) -> frozenset[str] | None:
        """What the keys are known by (``SigningKey.fingerprint``); None where they are somebody else's to tell."""
        ...


@dataclass(frozen=True, slots=True)
class DatedKey:
    """A key and what is known of its life.

    Attributes:
        published_at: since when others can know it.
        retired_at: since when it signs no more; None while it may.
    """

    key: SigningKey
    published_at: datetime = _SINCE_EVER
    retired_at: datetime | None = None

    def to_document(self) -> dict[str, str | None]:
        """Give the JSON form, private key and all."""
        return {
            "kid": self.key.kid,
            "algorithm": self.key.algorithm,
            "published_at": self.published_at.isoformat(),
            "retired_at": self.retired_at.isoformat() if self.retired_at else None,
            "private_key": self.key.to_pem(),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read the JSON form.

        Raises:
            ConfigurationError: the key does not fit its algorithm.
            KeyError, TypeError, ValueError: it is not that form.
        """
        retired_at = document["retired_at"]
        return cls(
            key=SigningKey.load(document["private_key"], algorithm=document["algorithm"]),
            published_at=_moment(document["published_at"]),
            retired_at=None if retired_at is None else _moment(retired_at),
        )


@dataclass(frozen=True, slots=True)
class KeyTimes:
    """What the life of a key is measured by.

    Attributes:
        publication: from being published to signing.
        longest_token: the lifetime of the longest-lived token that it signs.
    """

    longest_token: timedelta
    publication: timedelta = PUBLICATION

    @property
    def max_age(self) -> timedelta:
        """How long anybody may keep the published set: a seventh of the publication period, and at most a minute."""
        return min(_CACHED, self.publication / 7)

    def signs_from(self, dated: DatedKey) -> datetime:
        """Say from when on everybody can know a key."""
        return dated.published_at + self.publication

    def lapses_at(self, dated: DatedKey) -> datetime | None:
        """Say when the last token that a retired key can have signed has expired; None if it is not retired."""
        return None if dated.retired_at is None else dated.retired_at + self.longest_token + _SETTLING


@dataclass(frozen=True, slots=True)
class KeySet:
    """Our keys, all of one algorithm. What each of them does follows from the time alone."""

    keys: tuple[DatedKey, ...]
    times: KeyTimes = field(default=KeyTimes(longest_token=timedelta(0)))

    def __post_init__(self) -> None:
        if not self.keys or all(dated.retired_at for dated in self.keys):
            raise ConfigurationError("No key is left to sign with", cure="Make one with `bridge keys new`.")
        if len(self.keys) > MAXIMUM_KEYS:
            raise ConfigurationError(
                f"There are more than {MAXIMUM_KEYS} signing keys",
                cure="Delete those that `bridge keys list` shows as removable.",
            )
        if len({dated.key.algorithm for dated in self.keys}) > 1:
            raise ConfigurationError(
                "The signing keys are of different algorithms", cure="Keep the keys of one algorithm in a directory."
            )

    @classmethod
    def of_one(cls, key: SigningKey) -> Self:
        """Make the set of a key that was always there and stays: a shared secret, or a lone PEM key."""
        return cls(keys=(DatedKey(key=key),))

    @property
    def algorithm(self) -> str:
        """The one algorithm of all."""
        return self.keys[0].key.algorithm

    @property
    def fingerprints(self) -> frozenset[str]:
        """What a site may verify new tokens with (``SigningKey.fingerprint``): nothing that is retired signs them."""
        return frozenset(dated.key.fingerprint for dated in self.keys if dated.retired_at is None)

    def signing(self, *, now: datetime) -> SigningKey:
        """Give the newest key that was published for long enough; before there is one, the first that was published."""
        active = [dated for dated in self.keys if dated.retired_at is None]
        known = [dated for dated in active if self.times.signs_from(dated) <= now]
        return (max(known, key=_age) if known else min(active, key=_age)).key

    def verifying(self, kid: str | None, *, now: datetime) -> Sequence[Any]:
        """Give the keys that a token with this ``kid`` may be signed by; all of them for one without.

        A shared secret has no name, and whatever name another issuer gives it is as good as none.
        """
        present = self._present(now)
        return [dated.key.public for dated in present if kid is None or dated.key.kid in (None, kid)]

    def verifies_until(self, key: Any) -> datetime | None:
        """Say until when a key of this set verifies; None for one that is not retired."""
        return next((self.times.lapses_at(dated) for dated in self.keys if dated.key.public is key), None)

    def published(self, *, now: datetime) -> dict[str, list[dict[str, str]]]:
        """Give the JWK set (RFC 7517 section 5): every key that tokens may be verified with, and no shared secret."""
        pairs = ((dated.key, dated.key.kid) for dated in sorted(self._present(now), key=_age))
        named = {"alg": self.algorithm, "use": "sig"}
        return {"keys": [{"kid": kid, **named, **public_jwk(key.public)} for key, kid in pairs if kid is not None]}

    def state(self, dated: DatedKey, *, now: datetime) -> KeyState:
        """Say what a key of this set does at a time."""
        lapses_at = self.times.lapses_at(dated)
        if lapses_at is not None:
            return "removable" if lapses_at <= now else "retired"
        if dated.key == self.signing(now=now):
            return "signing"
        return "standby" if self.times.signs_from(dated) <= now else "waiting"

    def _present(self, now: datetime) -> list[DatedKey]:
        return [dated for dated in self.keys if (lapses_at := self.times.lapses_at(dated)) is None or now < lapses_at]


@dataclass(frozen=True, slots=True)
class PublicKeys:
    """Keys that only verify, of one algorithm: what a site holds of the bridge's."""

    algorithm: str
    keys: tuple[PublicKey, ...]

    def verifying(self, kid: str | None, *, now: datetime) -> Sequence[Any]:  # noqa: ARG002  # theirs is not to know when
        """Give the keys that a token with this ``kid`` may be signed by; all of them for one without."""
        return [each.key for each in self.keys if kid is None or each.kid == kid]

    def verifies_until(self, key: Any) -> datetime | None:  # noqa: ARG002  # likewise
        """Say that there is no end to it."""
        return None

    @property
    def fingerprints(self) -> frozenset[str]:
        """What the bridge's may be known by (``SigningKey.fingerprint``)."""
        return frozenset(public_fingerprint(each.key) for each in self.keys)


def _age(dated: DatedKey) -> tuple[datetime, str]:
    return dated.published_at, dated.key.kid or ""


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without its zone")
    return moment
