"""Users by what their stored password is and how long they have been away, in the order of their keys."""

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import datetime
from typing import Any, Final

from bridge.passwords.encoded import UNUSABLE_PREFIX
from bridge.store.users import StoredUser, Users

__all__ = ["Holders"]

_BATCH: Final = 500
# What `EncodedPassword.parse` tells by more than the text before the first dollar. A test holds the two together.
_UNSALTED: Final = {
    "unsalted_md5": "(length(password) = 32 AND replace(password, '$', '') = password)"
    " OR (length(password) = 37 AND substr(password, 1, 5) = 'md5$$')",
    "unsalted_sha1": "(length(password) = 46 AND substr(password, 1, 6) = 'sha1$$')",
}


class Holders:
    """The users whose stored values are of some algorithms.

    Args:
        algorithms: by Django's names.
        away_since: only those who were last seen before; None for all of them. Seen is whoever logged in, or, of those
            who never did, joined. Where the site keeps neither, nobody was ever seen.
    """

    def __init__(self, users: Users, *, algorithms: Collection[str], away_since: datetime | None = None) -> None:
        self._users = users
        self._condition, self._parameters = _condition(users, sorted(algorithms), away_since)

    async def count(self) -> int:
        """Count them."""
        return await self._users.count(self._condition, self._parameters)

    async def batches(self) -> AsyncIterator[Sequence[StoredUser]]:
        """Read them, some at a time; whoever changes meanwhile is read as they are then, and nobody twice."""
        last: StoredUser | None = None
        while batch := await self._users.matching(self._condition, self._parameters, after=last, limit=_BATCH):
            yield batch
            last = batch[-1]


def _condition(users: Users, algorithms: Sequence[str], away_since: datetime | None) -> tuple[str, dict[str, Any]]:
    among = " OR ".join(f"({_has_algorithm(name)})" for name in algorithms)
    condition = f"({among}) AND substr(password, 1, 1) <> '{UNUSABLE_PREFIX}'"
    seen = ", ".join(name for name in ("last_login", "date_joined") if users.has(name))
    if away_since is None or not seen:
        return condition, {}
    last = f"COALESCE({seen}, NULL)"
    return f"{condition} AND ({last} IS NULL OR {last} < :since)", {"since": users.site_time(away_since)}


def _has_algorithm(name: str) -> str:
    has_name = f"substr(password || '$', 1, {len(name) + 1}) = '{name}$'"
    if name in _UNSALTED:
        return f"{has_name} OR {_UNSALTED[name]}"
    lookalike = _UNSALTED.get(f"unsalted_{name}")
    return f"{has_name} AND NOT ({lookalike})" if lookalike else has_name
