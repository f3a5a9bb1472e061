"""A small site that has never heard of the bridge: what the peers' settings have in common.

PEER_JWT, a JSON object, is its SIMPLE_JWT.
"""

import json
import os
from typing import Any

from legacy_django import database

SECRET_KEY = os.environ["DJANGO_SECRET_KEY"]
ALLOWED_HOSTS = ["127.0.0.1"]
DATABASES = {"default": database.configuration(os.environ["DATABASE_URL"])}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True

INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
PASSWORD_HASHERS = [
    "tests.site.hashers.CheapArgon2PasswordHasher",
    "tests.site.hashers.CheapPBKDF2PasswordHasher",
]

SIMPLE_JWT: dict[str, Any] = json.loads(os.environ["PEER_JWT"])
