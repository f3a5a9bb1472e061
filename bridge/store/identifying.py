"""The statements that read the users of several tokens, or sessions, at once, and what stands against each."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from bridge.sessions.codec import MAX_ROW_LENGTH
from bridge.store.database import Dialect, Parameters
from bridge.store.sessions import SESSION_TABLE

__all__ = ["NamedBySession", "NamedByToken", "identifying", "naming", "opening", "sessions_named"]

_ARRAYS: Final = {"integer": "bigint[]", "uuid": "uuid[]", "text": "text[]"}
_POSTGRESQL: Final = (
    "unnest(CAST(:keys AS {keys}), CAST(:token_ids AS text[]), CAST(:grant_ids AS text[]))"
    " WITH ORDINALITY AS wanted(user_key, token_id, grant_id, number)"
)
_SQLITE: Final = (
    "(SELECT json_extract(value, '$[0]') AS user_key, json_extract(value, '$[1]') AS user_id,"
    " json_extract(value, '$[2]') AS token_id, json_extract(value, '$[3]') AS grant_id, key + 1 AS number"
    " FROM json_each(:wanted)) wanted"
)
_POSTGRESQL_SESSIONS: Final = (
    "unnest(CAST(:session_keys AS text[]), CAST(:keys AS {keys}))"
    " WITH ORDINALITY AS wanted(session_key, user_key, number)"
)
_SQLITE_SESSIONS: Final = (
    "(SELECT json_extract(value, '$[0]') AS session_key, json_extract(value, '$[1]') AS user_key, key + 1 AS number"
    " FROM json_each(:wanted)) wanted"
)


@dataclass(frozen=True, slots=True)
class NamedByToken:
    """What a token names.

    Attributes:
        key: its user's, as the database has it.
        user_id: the same as text.
        token_id: ``jti``.
        grant_id: ``sid``; None for tokens outside of any grant.
    """

    key: int | UUID | str
    user_id: str
    token_id: str
    grant_id: str | None = field(default=None)


@dataclass(frozen=True, slots=True)
class NamedBySession:
    """A session's row, and whom it may name.

    Attributes:
        session_key: of the row.
        key: of the user who is read along, as the database has it; None for nobody.
        now: of the site's clock, as its columns have it.
    """

    session_key: str = field(repr=False)
    key: int | UUID | str | None
    now: datetime


def identifying(dialect: Dialect, *, table: str, key: str, key_type: str, columns: str) -> str:
    """Give the statement: a row for each token whose user there is, ``number`` from 1 on in the order of ``naming``.

    Args:
        dialect: whose words.
        table: the user table, quoted.
        key: its primary key, quoted.
        key_type: of the user table's profile.
        columns: what else is to be read.
    """
    wanted = _SQLITE if dialect == "sqlite" else _POSTGRESQL.format(keys=_ARRAYS[key_type])
    # As Python writes it as well, whatever the key's type.
    user_id = "wanted.user_id" if dialect == "sqlite" else "CAST(wanted.user_key AS text)"
    return (
        f"SELECT wanted.number AS number, {columns},"
        " EXISTS (SELECT 1 FROM bridge_revoked_token r WHERE r.token_id = wanted.token_id) AS revoked,"
        " g.auth_hash AS grant_hash, g.ended_at AS grant_ended"
        f" FROM {wanted} JOIN {table} ON {table}.{key} = wanted.user_key"
        f" LEFT JOIN bridge_grant g ON g.id = wanted.grant_id AND g.user_id = {user_id}"
    )


def naming(dialect: Dialect, named: Sequence[NamedByToken]) -> Parameters:
    """Give its parameters."""
    if dialect == "sqlite":
        return {
            "wanted": json.dumps([(_stored(each.key), each.user_id, each.token_id, each.grant_id) for each in named])
        }
    return {
        "keys": [each.key for each in named],
        "token_ids": [each.token_id for each in named],
        "grant_ids": [each.grant_id for each in named],
    }


def opening(dialect: Dialect, *, table: str, key: str, key_type: str, columns: str) -> str:
    """Give the statement: a row for each session that has not expired and is not absurdly large.

    With it comes the user who was named beside it, if there is one. Numbers and arguments are as for ``identifying``.
    """
    wanted = _SQLITE_SESSIONS if dialect == "sqlite" else _POSTGRESQL_SESSIONS.format(keys=_ARRAYS[key_type])
    return (
        f"SELECT wanted.number AS number, s.session_data AS session_data, {columns}"
        f" FROM {wanted} JOIN {SESSION_TABLE} s ON s.session_key = wanted.session_key"
        " AND s.expire_date > :now AND length(s.session_data) <= :longest"
        f" LEFT JOIN {table} ON {table}.{key} = wanted.user_key"
    )


def sessions_named(dialect: Dialect, named: Sequence[NamedBySession]) -> Parameters:
    """Give its parameters; what has expired for the last of those who ask has expired for all."""
    given = {"now": max(each.now for each in named), "longest": MAX_ROW_LENGTH}
    if dialect == "sqlite":
        return {**given, "wanted": json.dumps([(each.session_key, _stored(each.key)) for each in named])}
    return {**given, "session_keys": [each.session_key for each in named], "keys": [each.key for each in named]}


def _stored(key: int | UUID | str | None) -> int | str | None:
    return key.hex if isinstance(key, UUID) else key
