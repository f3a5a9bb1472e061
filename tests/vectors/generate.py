"""Write passwords.json: values that the real Django 4.2 stored, and what it said of them.

4.2 is the last Django that has every hasher. bcrypt has to be older than 5, which raises beyond 72 bytes where Django
always truncated. To run again, with the same result (the salts are fixed)::

    pip install 'django==4.2.*' argon2-cffi 'bcrypt<5'        # in an environment with Python 3.11 or 3.12
    python -W ignore tests/vectors/generate.py
"""

import json
import platform
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import argon2
from django.conf import settings
from django.contrib.auth.hashers import check_password, get_hasher

PASSWORDS = {
    "ascii": "correct horse battery staple",
    "empty": "",
    "spaces": "  two  spaces ",
    "unicode": "Grüße",
    "combining": "Gru\u0308ße",
    "emoji": "🔑🐍",
    "nul": "nul\0byte",
    "8-bytes": "abcdefgh",
    "9-bytes": "abcdefghi",
    "nul-after-8-bytes": "abcdefgh\0",
    "8th-byte-inside-a-character": "aüüüü",
    "72-bytes": "x" * 72,
    "73-bytes": "x" * 73,
    "100-bytes": "x" * 100,
    "72nd-byte-inside-a-character": "x" * 71 + "ü",
    "5000-characters": "long " * 1000,
}

_HASHERS = (
    "Argon2PasswordHasher",
    "PBKDF2PasswordHasher",
    "PBKDF2SHA1PasswordHasher",
    "BCryptSHA256PasswordHasher",
    "BCryptPasswordHasher",
    "ScryptPasswordHasher",
    "MD5PasswordHasher",
    "SHA1PasswordHasher",
    "UnsaltedMD5PasswordHasher",
    "UnsaltedSHA1PasswordHasher",
    "CryptPasswordHasher",
)
_SALT = "seasaltseasaltseasalt2"
_BCRYPT_SALT = b"abcdefghijklmnopqrstuu"


def _argon2i(password: str) -> str:
    """Encode as Django before 3.2 did, which wrote argon2i."""
    encoded = argon2.low_level.hash_secret(password.encode(), b"seasalt12345", 1, 16, 2, 16, argon2.low_level.Type.I)
    return "argon2" + encoded.decode()


def _formats() -> dict[str, Callable[[str], str]]:
    def by(algorithm: str, *arguments: Any) -> Callable[[str], str]:
        return lambda password: get_hasher(algorithm).encode(password, *arguments)

    cheap: Any = get_hasher("argon2")
    cheap.time_cost, cheap.memory_cost, cheap.parallelism = 1, 8, 1
    return {
        "argon2": by("argon2", _SALT),
        "argon2-argon2i": _argon2i,
        "pbkdf2_sha256": by("pbkdf2_sha256", _SALT, 3),
        "pbkdf2_sha1": by("pbkdf2_sha1", _SALT, 3),
        "pbkdf2_sha256-odd-salt": by("pbkdf2_sha256", "ü, +=/", 1),
        "bcrypt_sha256": by("bcrypt_sha256", b"$2b$04$" + _BCRYPT_SALT),
        "bcrypt": by("bcrypt", b"$2b$04$" + _BCRYPT_SALT),
        "bcrypt-2a": by("bcrypt", b"$2a$04$" + _BCRYPT_SALT),
        "scrypt": by("scrypt", _SALT, 4, 2, 2),
        "md5": by("md5", _SALT),
        "sha1": by("sha1", _SALT),
        "sha1-odd-salt": by("sha1", "ü, +=/"),
        "unsalted_md5": by("unsalted_md5", ""),
        "unsalted_md5-prefixed": lambda password: "md5$$" + get_hasher("unsalted_md5").encode(password, ""),
        "unsalted_sha1": by("unsalted_sha1", ""),
        "crypt": by("crypt", "ab"),
    }


def _vector(name: str, password: str, encode: Callable[[str], str]) -> dict[str, Any] | None:
    try:
        encoded = encode(PASSWORDS[password])
    except ValueError:  # crypt(3) takes no NUL
        return None
    verdicts = {each: _verdict(text, encoded) for each, text in PASSWORDS.items()}
    return {
        "id": f"{name}-{password}",
        "algorithm": name.partition("-")[0],
        "encoded": encoded,
        "accepts": [each for each, verdict in verdicts.items() if verdict],
        "raises": [each for each, verdict in verdicts.items() if verdict is None],
    }


def _verdict(password: str, encoded: str) -> bool | None:
    try:
        return check_password(password, encoded)
    except ValueError:
        return None


def main() -> None:
    """Make every format of every password, and ask Django about each with all passwords."""
    settings.configure(PASSWORD_HASHERS=[f"django.contrib.auth.hashers.{name}" for name in _HASHERS])
    vectors = [_vector(name, password, encode) for name, encode in _formats().items() for password in PASSWORDS]
    document = {
        "made_by": {"python": platform.python_version()}
        | {package: version(package) for package in ("django", "argon2-cffi", "bcrypt")},
        "passwords": PASSWORDS,
        "vectors": [vector for vector in vectors if vector is not None],
    }
    Path(__file__).with_name("passwords.json").write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
