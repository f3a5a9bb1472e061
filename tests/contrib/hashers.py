"""Hashers that a site may list: some without their library, some with ideas of their own."""

from argon2 import Parameters, Type
from django.contrib.auth.hashers import Argon2PasswordHasher, BCryptPasswordHasher

__all__ = [
    "Argon2OfAnotherVariant",
    "Argon2TooLongForTheColumn",
    "Argon2WithoutItsLibrary",
    "BCryptWithoutItsLibrary",
    "SaltierArgon2",
]


class Argon2WithoutItsLibrary(Argon2PasswordHasher):
    """argon2 where argon2-cffi is missing."""

    library = "a_module_that_nobody_has"


class BCryptWithoutItsLibrary(BCryptPasswordHasher):
    """bcrypt where bcrypt is missing."""

    library = ("bcrypt", "a_module_that_nobody_has")


class SaltierArgon2(Argon2PasswordHasher):
    """A site's own idea of argon2."""

    time_cost = 3
    memory_cost = 2048
    parallelism = 2
    salt_entropy = 192


class Argon2TooLongForTheColumn(Argon2PasswordHasher):
    """More salt than the column has room for."""

    salt_entropy = 512


class Argon2OfAnotherVariant(Argon2PasswordHasher):
    """argon2i, as Django wrote before 3.2."""

    def params(self) -> Parameters:
        asked: Parameters = super().params()
        asked.type = Type.I
        return asked
