"""The values in Django's ``password`` column (``django.contrib.auth.hashers``)."""

import secrets
import string
from dataclasses import dataclass, field
from typing import Final, Self

__all__ = ["ALGORITHMS", "UNUSABLE_PREFIX", "WRAPPED", "EncodedPassword", "unusable_value"]

UNUSABLE_PREFIX: Final = "!"

WRAPPED: Final = {
    f"argon2_{name}": name for name in ("pbkdf2_sha256", "pbkdf2_sha1", "md5", "sha1", "unsalted_md5", "unsalted_sha1")
}
"""The algorithms of values that were wrapped in argon2 without their password, and what each has inside."""

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
    *WRAPPED,
)
"""Every algorithm that some Django since 1.0 has written, under the name that Django gives it; then wrapped ones."""

_LETTERS: Final = string.ascii_letters + string.digits
_UNUSABLE_LENGTH: Final = 40
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


def unusable_value() -> str:
    """Make a value that no password matches, as ``make_password(None)`` does."""
    return UNUSABLE_PREFIX + "".join(secrets.choice(_LETTERS) for _ in range(_UNUSABLE_LENGTH))


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
