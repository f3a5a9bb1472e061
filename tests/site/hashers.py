"""Django's hashers at a cost that a test suite can pay."""

from django.contrib.auth.hashers import Argon2PasswordHasher, PBKDF2PasswordHasher

__all__ = ["CheapArgon2PasswordHasher", "CheapPBKDF2PasswordHasher"]


class CheapArgon2PasswordHasher(Argon2PasswordHasher):
    """One pass over 64 KiB in one lane."""

    time_cost = 1
    memory_cost = 64
    parallelism = 1


class CheapPBKDF2PasswordHasher(PBKDF2PasswordHasher):
    """A thousand rounds."""

    iterations = 1000
