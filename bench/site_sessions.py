"""Sessions of the site's, as Django's own store writes them."""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import psycopg
from django.core import signing

__all__ = ["open_sessions"]

_SALT: Final = "django.contrib.sessions.SessionStore"
_BACKEND: Final = "django.contrib.auth.backends.ModelBackend"
_LIFETIME: Final = timedelta(days=14)


def open_sessions(connection: psycopg.Connection[Any], hashes: Mapping[int, str], *, secret: str) -> dict[int, str]:
    """Log users in, given what a session of each hangs on, and give each one's session key."""
    signer = signing.TimestampSigner(key=secret, salt=_SALT, fallback_keys=[])
    keys = {user_id: secrets.token_hex(16) for user_id in hashes}
    expires = datetime.now(UTC) + _LIFETIME
    rows = [
        (
            keys[user_id],
            signer.sign_object(
                {"_auth_user_id": str(user_id), "_auth_user_backend": _BACKEND, "_auth_user_hash": auth_hash},
                serializer=signing.JSONSerializer,
                compress=True,
            ),
            expires,
        )
        for user_id, auth_hash in hashes.items()
    ]
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO django_session (session_key, session_data, expire_date) VALUES (%s, %s, %s)", rows
        )
    return keys
