"""The shop as the tests run it: its own settings, with hashes that cost next to nothing."""

import os

os.environ.setdefault("DJANGO_SECRET_KEY", "the tests' own secret key, which opens nothing anywhere else")
os.environ.setdefault("JWT_SIGNING_KEY", "the tests' own signing key, which opens nothing anywhere else")
os.environ.setdefault("DATABASE_URL", "sqlite:///:memory:")

from bridge.passwords.wrapped import DJANGO_HASHERS
from legacy_django.settings import *  # noqa: F403
from legacy_django.settings import PASSWORD_HASHERS as _HASHERS

PASSWORD_HASHERS = [
    "tests.site.hashers.CheapArgon2PasswordHasher",
    "tests.site.hashers.CheapPBKDF2PasswordHasher",
    *_HASHERS[2:],
    *DJANGO_HASHERS.values(),
]
ALLOWED_HOSTS = ["testserver", "127.0.0.1", "localhost", "bridge"]
LOGGING_CONFIG = None  # the runner captures logs; Django's handlers would write to streams that it has closed
