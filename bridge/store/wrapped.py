"""Values that argon2 wraps, as the user table has them."""

from collections.abc import Sequence
from typing import Final

from bridge.store.users import Users

__all__ = ["wrapped_values"]

_MOST: Final = 50


async def wrapped_values(users: Users) -> Sequence[str]:
    """Give some values that argon2 wraps around PBKDF2, whose cost a census does not know; at most 50.

    A pass over the table where there are none.
    """
    found = await users.matching("substr(password, 1, 14) = 'argon2_pbkdf2_'", {}, after=None, limit=_MOST)
    return [user.encoded for user in found]
