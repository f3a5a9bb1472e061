"""The statement that reads the users of several tokens at once, and what stands against each token."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from bridge.store.database import Dialect, Parameters

__all__ = ["NamedByToken", "identifying", "naming"]

_ARRAYS: Final = {"integer": "bigint[]", "uuid": "uuid[]", "text": "text[]"}
_POSTGRESQL: Final = (
    "unnest(CAST(:keys AS {keys}), CAST(:user_ids AS text[]), CAST(:token_ids AS text[]), CAST(:grant_ids AS text[]))"
    " WITH ORDINALITY AS wanted(user_key, user_id, token_id, grant_id, number)"
)
_SQLITE: Final = (
    "(SELECT json_extract(value, '$[0]') AS user_key, json_extract(value, '$[1]') AS user_id,"
    " json_extract(value, '$[2]') AS token_id, json_extract(value, '$[3]') AS grant_id, key + 1 AS number"
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
    return (
        f"SELECT wanted.number AS number, {columns},"
        " EXISTS (SELECT 1 FROM bridge_revoked_token r WHERE r.token_id = wanted.token_id) AS revoked,"
        " g.auth_hash AS grant_hash, g.ended_at AS grant_ended"
        f" FROM {wanted} JOIN {table} ON {table}.{key} = wanted.user_key"
        " LEFT JOIN bridge_grant g ON g.id = wanted.grant_id AND g.user_id = wanted.user_id"
    )


def naming(dialect: Dialect, named: Sequence[NamedByToken]) -> Parameters:
    """Give its parameters."""
    if dialect == "sqlite":
        return {
            "wanted": json.dumps([(_stored(each.key), each.user_id, each.token_id, each.grant_id) for each in named])
        }
    return {
        "keys": [each.key for each in named],
        "user_ids": [each.user_id for each in named],
        "token_ids": [each.token_id for each in named],
        "grant_ids": [each.grant_id for each in named],
    }


def _stored(key: int | UUID | str) -> int | str:
    return key.hex if isinstance(key, UUID) else key
