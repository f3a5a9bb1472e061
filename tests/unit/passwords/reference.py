"""Django's own hashers, at a cost that thousands of examples can pay, as what the bridge is held to."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from django.contrib.auth.hashers import (
    Argon2PasswordHasher,
    PBKDF2PasswordHasher,
    PBKDF2SHA1PasswordHasher,
    ScryptPasswordHasher,
    check_password,
    get_hasher,
)

from bridge.passwords.encoded import ALGORITHMS, WRAPPED
from bridge.passwords.parameters import Argon2Parameters
from bridge.passwords.policy import PasswordPolicy

__all__ = ["ACCEPTED", "CHEAP", "HASHERS", "cheap_policy", "django_says", "encoders"]

CHEAP: Final = Argon2Parameters(time_cost=1, memory_cost=8, parallelism=1)
BCRYPT_SALT: Final = b"$2b$04$abcdefghijklmnopqrstuu"


class CheapArgon2(Argon2PasswordHasher):
    time_cost = CHEAP.time_cost
    memory_cost = CHEAP.memory_cost
    parallelism = CHEAP.parallelism


class CheapPBKDF2(PBKDF2PasswordHasher):
    iterations = 2


class CheapPBKDF2SHA1(PBKDF2SHA1PasswordHasher):
    iterations = 2


class CheapScrypt(ScryptPasswordHasher):
    work_factor = 2
    parallelism = 1


HASHERS: Final = [
    *(f"{__name__}.{each.__name__}" for each in (CheapArgon2, CheapPBKDF2, CheapPBKDF2SHA1, CheapScrypt)),
    "django.contrib.auth.hashers.BCryptSHA256PasswordHasher",
    "django.contrib.auth.hashers.BCryptPasswordHasher",
    "django.contrib.auth.hashers.MD5PasswordHasher",
    "bridge.contrib.django.hashers.SHA1PasswordHasher",
    "bridge.contrib.django.hashers.UnsaltedSHA1PasswordHasher",
    "bridge.contrib.django.hashers.UnsaltedMD5PasswordHasher",
    "bridge.contrib.django.hashers.Argon2PBKDF2PasswordHasher",
    "bridge.contrib.django.hashers.Argon2PBKDF2SHA1PasswordHasher",
    "bridge.contrib.django.hashers.Argon2MD5PasswordHasher",
    "bridge.contrib.django.hashers.Argon2SHA1PasswordHasher",
    "bridge.contrib.django.hashers.Argon2UnsaltedMD5PasswordHasher",
    "bridge.contrib.django.hashers.Argon2UnsaltedSHA1PasswordHasher",
]
"""For PASSWORD_HASHERS: all that Django 5.2 ships, the app's own for those that it dropped, and for wrapped values."""

ACCEPTED: Final = frozenset(ALGORITHMS) - {"crypt"}
"""The algorithms of ``HASHERS``."""


def cheap_policy(**more: Any) -> PasswordPolicy:
    return PasswordPolicy(target=CHEAP, **more)


def django_says(password: str, stored: str) -> bool:
    """Give Django's verdict under ``HASHERS``; an exception is a failed login.

    A plain bcrypt value is asked about the 72 bytes that bcrypt reads, which is what Django did before bcrypt 5.
    """
    asked = FirstBytes(password) if stored.startswith("bcrypt$") else password
    try:
        return check_password(asked, stored)
    except Exception:  # noqa: BLE001  # whichever it is, the user sees an error page instead of their account
        return False


class FirstBytes(str):
    """A password that ends where bcrypt stops reading, be it inside a character."""

    __slots__ = ()

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return super().encode(encoding, errors)[:72]


def encoders() -> Mapping[str, Callable[[str, str, int], str]]:
    """Map each format's name to what encodes (password, salt, cost) in it; some have no use for the last two."""

    def digest(algorithm: str) -> Callable[[str, str, int], str]:
        return lambda password, salt, cost: get_hasher(algorithm).encode(password, salt)

    def unsalted(algorithm: str, prefix: str = "") -> Callable[[str, str, int], str]:
        return lambda password, salt, cost: prefix + get_hasher(algorithm).encode(password, "")

    def pbkdf2(algorithm: str) -> Callable[[str, str, int], str]:
        hasher: Any = get_hasher(algorithm)
        return hasher.encode  # type: ignore[no-any-return]  # it takes the rounds third

    def wrapped(algorithm: str) -> Callable[[str, str, int], str]:
        hasher: Any = get_hasher(algorithm)
        if "pbkdf2" in algorithm:
            return hasher.encode  # type: ignore[no-any-return]
        return lambda password, salt, cost: hasher.encode(password, "" if "unsalted" in algorithm else salt)

    bcrypt_sha256: Any = get_hasher("bcrypt_sha256")
    bcrypt: Any = get_hasher("bcrypt")
    scrypt: Any = get_hasher("scrypt")
    return {
        "argon2": digest("argon2"),
        "pbkdf2_sha256": pbkdf2("pbkdf2_sha256"),
        "pbkdf2_sha1": pbkdf2("pbkdf2_sha1"),
        "bcrypt_sha256": lambda password, salt, cost: bcrypt_sha256.encode(password, BCRYPT_SALT),
        "bcrypt": lambda password, salt, cost: bcrypt.encode(FirstBytes(password), BCRYPT_SALT),
        "scrypt": lambda password, salt, cost: scrypt.encode(password, salt, 2**cost, 1, cost),
        "md5": digest("md5"),
        "sha1": digest("sha1"),
        "unsalted_md5": unsalted("unsalted_md5"),
        "unsalted_md5-prefixed": unsalted("unsalted_md5", "md5$$"),
        "unsalted_sha1": unsalted("unsalted_sha1"),
        **{name: wrapped(name) for name in WRAPPED},
    }
