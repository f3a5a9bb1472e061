"""Django's hashers at a cost at which the load is mixed, and not hashing alone."""

from typing import Final

from django.contrib.auth.hashers import Argon2PasswordHasher, PBKDF2PasswordHasher

__all__ = ["ROUNDS", "CheapArgon2PasswordHasher", "CheapPBKDF2PasswordHasher"]

ROUNDS: Final = 1000


class CheapArgon2PasswordHasher(Argon2PasswordHasher):
    """One pass over 64 KiB in one lane."""

    time_cost = 1
    memory_cost = 64
    parallelism = 1


class CheapPBKDF2PasswordHasher(PBKDF2PasswordHasher):
    """What the population's old values were made with."""

    iterations = ROUNDS
