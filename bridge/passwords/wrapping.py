"""Wraps old values in argon2: what is left of them gets as strong as it can without its users."""

import secrets
from dataclasses import dataclass

from argon2 import Parameters, Type
from argon2.low_level import ARGON2_VERSION

from bridge.passwords import argon2
from bridge.passwords.parameters import Argon2Parameters
from bridge.passwords.wrapped import COLUMN_LENGTH, WrappablePassword

__all__ = ["Unwrappable", "Wrapper", "Wrapping"]


@dataclass(frozen=True, slots=True)
class Unwrappable:
    """A value that stays as it is.

    Attributes:
        reason: ``malformed`` (no password matches it) or ``too-long``.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class Wrapping:
    """A value that can be wrapped, with the lengths in bytes that fit."""

    old: WrappablePassword
    salt_length: int
    hash_length: int
    parameters: Argon2Parameters

    def hash(self) -> str:
        """Give the wrapped value, with a fresh salt. As costly as a login."""
        parameters = Parameters(
            type=Type.ID,
            version=ARGON2_VERSION,
            salt_len=self.salt_length,
            hash_len=self.hash_length,
            time_cost=self.parameters.time_cost,
            memory_cost=self.parameters.memory_cost,
            parallelism=self.parameters.parallelism,
        )
        phc = argon2.encode(self.old.hashed.encode(), secrets.token_bytes(self.salt_length), parameters)
        return self.old.head + phc.removeprefix("$")


class Wrapper:
    """Wraps values.

    Args:
        parameters: the site's own of argon2.
        limit: what the password column holds, in characters.
    """

    def __init__(self, parameters: Argon2Parameters, *, limit: int = COLUMN_LENGTH) -> None:
        self._parameters = parameters
        self._limit = limit

    def prepare(self, stored: str) -> Wrapping | Unwrappable:
        """Look at a value without hashing anything."""
        old = WrappablePassword.parse(stored)
        if old is None:
            return Unwrappable("malformed")
        lengths = old.lengths(self._parameters, limit=self._limit)
        return Unwrappable("too-long") if lengths is None else Wrapping(old, *lengths, self._parameters)
