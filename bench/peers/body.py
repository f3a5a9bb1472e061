"""What every side answers: the user who is asking, in the same twelve fields."""

from datetime import UTC, datetime
from typing import Any, Final

from pydantic import BaseModel

__all__ = ["SOMEBODY", "Profile"]


class Profile(BaseModel):
    """As the bridge's ``GET /users/me/`` has it."""

    id: int | str
    username: str
    email: str
    first_name: str
    last_name: str
    full_name: str
    disabled: bool
    is_active: bool
    is_staff: bool
    is_superuser: bool
    date_joined: datetime | None
    last_login: datetime | None


SOMEBODY: Final[dict[str, Any]] = {
    "username": "user1",
    "email": "user1@example.com",
    "first_name": "Ada",
    "last_name": "Lovelace",
    "full_name": "Ada Lovelace",
    "disabled": False,
    "is_active": True,
    "is_staff": False,
    "is_superuser": False,
    "date_joined": datetime(2020, 1, 1, tzinfo=UTC),
    "last_login": None,
}
"""For whoever knows of nobody: all but the key."""
