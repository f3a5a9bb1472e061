"""The shop's own settings, with hashes at a low cost."""

from legacy_django.settings import *  # noqa: F403  # as Django's settings build on each other
from legacy_django.settings import PASSWORD_HASHERS as _HASHERS

PASSWORD_HASHERS = [
    "bench.soak.hashers.CheapArgon2PasswordHasher",
    "bench.soak.hashers.CheapPBKDF2PasswordHasher",
    *_HASHERS[2:],
]
LOGGING_CONFIG = None
