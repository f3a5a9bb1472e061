"""Old values wrapped in argon2, without their password.

``argon2_pbkdf2_sha256$1000000$salt$argon2id$v=19$m=…,t=…,p=…$salt$hash``: the name, then what the old value shows but
for its digest (rounds and salt; the salt; nothing), then a PHC string. What argon2 hashes is the old value, whole, as
Django's hasher of that name writes it. No hashing library here: the site and the bridge share this module.
"""

import re
from dataclasses import dataclass, field
from typing import Final, Self

from bridge.passwords.encoded import WRAPPED, EncodedPassword
from bridge.passwords.parameters import Argon2Parameters, base64_length

__all__ = ["COLUMN_LENGTH", "DJANGO_HASHERS", "WrappablePassword", "WrappedPassword"]

COLUMN_LENGTH: Final = 128
"""Characters in Django's password column."""

DJANGO_HASHERS: Final = {
    f"argon2_{old}": f"bridge.contrib.django.hashers.Argon2{name}PasswordHasher"
    for old, name in {
        "pbkdf2_sha256": "PBKDF2",
        "pbkdf2_sha1": "PBKDF2SHA1",
        "md5": "MD5",
        "sha1": "SHA1",
        "unsalted_md5": "UnsaltedMD5",
        "unsalted_sha1": "UnsaltedSHA1",
    }.items()
}
"""What the site must list in PASSWORD_HASHERS for each kind of wrapped values."""

# In groups what the wrapped value still shows. Anything else is no value of Django's, and matches no password.
_OLD_VALUES: Final = {
    "pbkdf2_sha256": re.compile(r"pbkdf2_sha256\$([0-9]+\$[^$]+\$)[A-Za-z0-9+/]{43}="),
    "pbkdf2_sha1": re.compile(r"pbkdf2_sha1\$([0-9]+\$[^$]+\$)[A-Za-z0-9+/]{27}="),
    "md5": re.compile(r"md5\$([^$]+\$)[0-9a-f]{32}"),
    "sha1": re.compile(r"sha1\$([^$]+\$)[0-9a-f]{40}"),
    "unsalted_md5": re.compile(r"(?:md5\$\$)?()[0-9a-f]{32}"),
    "unsalted_sha1": re.compile(r"sha1\$\$()[0-9a-f]{40}"),
}
_EMPTY_SALT: Final = re.compile(r"^(?:md5|sha1)\$\$")
# Salt and hash in bytes, the first that fits. 16 bytes of hash do, and 8 of salt where space is short (RFC 9106 section
# 4); the old value has a salt of its own.
_LENGTHS: Final = ((16, 32), (16, 24), (16, 16), (8, 16))
_SETTINGS: Final = {"pbkdf2_sha256": 2, "pbkdf2_sha1": 2, "md5": 1, "sha1": 1, "unsalted_md5": 0, "unsalted_sha1": 0}
_PHC_FIELDS: Final = 5


@dataclass(frozen=True, slots=True)
class WrappablePassword:
    """An old value that can be wrapped.

    Attributes:
        head: what the wrapped one has before its PHC string.
        hashed: what argon2 is to hash.
    """

    head: str
    hashed: str = field(repr=False)

    @classmethod
    def parse(cls, stored: str) -> Self | None:
        """Read a stored value; None where it is not as one of Django's hashers writes it, or cannot be wrapped."""
        algorithm = EncodedPassword.parse(stored).algorithm or ""
        form = _OLD_VALUES.get(algorithm)
        match = form.fullmatch(stored) if form else None
        if match is None:
            return None
        return cls(head=f"argon2_{algorithm}${match[1]}", hashed=_EMPTY_SALT.sub("", stored))

    def lengths(self, parameters: Argon2Parameters, *, limit: int = COLUMN_LENGTH) -> tuple[int, int] | None:
        """Give how many bytes of argon2 salt and hash there is room for; None where it is too little."""
        room = limit - len(self.head) - len(parameters.prefix) - 1
        fitting = (each for each in _LENGTHS if base64_length(each[0]) + base64_length(each[1]) <= room)
        return next(fitting, None)


@dataclass(frozen=True, slots=True)
class WrappedPassword:
    """A wrapped value.

    Attributes:
        old: the algorithm inside.
        settings: what its hasher needs besides the password: rounds and salt, or a salt, or nothing.
        argon2: the outer half, in the form of a value of Django's argon2 hasher.
    """

    old: str
    settings: tuple[str, ...]
    argon2: str = field(repr=False)

    @classmethod
    def parse(cls, stored: str) -> Self:
        """Read a stored value.

        Raises:
            ValueError: it is malformed.
        """
        head, *phc = stored.rsplit("$", _PHC_FIELDS)
        algorithm, *settings = head.split("$")
        old = WRAPPED.get(algorithm, "")
        if len(settings) != _SETTINGS.get(old):
            raise ValueError("not a wrapped value")
        return cls(old=old, settings=tuple(settings), argon2="$".join(("argon2", *phc)))
