"""What Django's argon2 hasher would write."""

import math
from dataclasses import dataclass
from typing import Final

__all__ = ["Argon2Parameters", "base64_length"]

_DJANGO_SALT_ALPHABET_SIZE: Final = 62
_HASH_LENGTH: Final = 32


@dataclass(frozen=True, slots=True)
class Argon2Parameters:
    """What Django's preferred ``Argon2PasswordHasher`` writes; the defaults are stock Django's.

    Attributes:
        time_cost: passes over the memory.
        memory_cost: KiB.
        parallelism: lanes.
        salt_length: bytes. Django asks for 128 bits of a 62-letter alphabet: 22 characters, and replaces shorter salts.
    """

    time_cost: int = 2
    memory_cost: int = 102_400
    parallelism: int = 8
    salt_length: int = 22

    @property
    def encoded_length(self) -> int:
        """Count the characters of a value with these parameters, as Django stores it."""
        fixed = len(f"argon2${self.prefix}$")
        return fixed + base64_length(self.salt_length) + base64_length(_HASH_LENGTH)

    @property
    def prefix(self) -> str:
        """What a value with these parameters has before its salt."""
        return f"argon2id$v=19$m={self.memory_cost},t={self.time_cost},p={self.parallelism}$"

    @staticmethod
    def salt_length_for(entropy: float) -> int:
        """Count the characters of Django's salt alphabet that hold ``entropy`` bits (``must_update_salt``)."""
        return math.ceil(entropy / math.log2(_DJANGO_SALT_ALPHABET_SIZE))


def base64_length(length: int) -> int:
    """Count the characters of so many bytes in base64 without its padding."""
    return math.ceil(length * 4 / 3)
