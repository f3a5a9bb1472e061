"""The values in Django's ``password`` column (``django.contrib.auth.hashers``)."""

from dataclasses import dataclass, field
from typing import Final, Self

__all__ = ["ALGORITHMS", "UNUSABLE_PREFIX", "EncodedPassword"]

UNUSABLE_PREFIX: Final = "!"

ALGORITHMS: Final = (
    "argon2",
    "pbkdf2_sha256",
    "pbkdf2_sha1",
    "bcrypt_sha256",
    "bcrypt",
    "scrypt",
    "md5",
    "sha1",
    "unsalted_md5",
    "unsalted_sha1",
    "crypt",
)
"""Every algorithm that some Django since 1.0 has written, under the name that Django gives it."""

_BARE_MD5_LENGTH: Final = 32
_EMPTY_SALT_MD5_LENGTH: Final = 37
_EMPTY_SALT_SHA1_LENGTH: Final = 46


@dataclass(frozen=True, slots=True)
class EncodedPassword:
    """One stored value and the algorithm that Django would take it for.

    Attributes:
        value: the column's content; never shown by ``repr``.
        algorithm: Django's name for it, or None where Django would find no hasher: an unusable, empty or foreign value.
    """

    value: str = field(repr=False)
    algorithm: str | None

    @classmethod
    def parse(cls, value: str) -> Self:
        """Identify a stored value as ``django.contrib.auth.hashers.identify_hasher`` does."""
        return cls(value=value, algorithm=_identify(value))

    @property
    def body(self) -> str:
        """What follows ``algorithm$``."""
        return self.value.partition("$")[2]


def _identify(value: str) -> str | None:
    if value.startswith(UNUSABLE_PREFIX):
        return None
    if len(value) == _BARE_MD5_LENGTH and "$" not in value:
        return "unsalted_md5"
    if len(value) == _EMPTY_SALT_MD5_LENGTH and value.startswith("md5$$"):
        return "unsalted_md5"
    if len(value) == _EMPTY_SALT_SHA1_LENGTH and value.startswith("sha1$$"):
        return "unsalted_sha1"
    name = value.partition("$")[0]
    return name if name in ALGORITHMS else None
