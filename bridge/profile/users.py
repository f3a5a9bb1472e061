"""Where the site keeps its users, and what they belong to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

__all__ = ["KeyType", "Membership", "UserTable"]

KeyType = Literal["integer", "uuid", "text"]


@dataclass(frozen=True, slots=True)
class Membership:
    """A many-to-many table of ``PermissionsMixin``.

    Attributes:
        table: its name.
        user: the column of the user's key.
        other: the column of the group's or the permission's.
    """

    table: str
    user: str
    other: str


@dataclass(frozen=True, slots=True)
class UserTable:
    """Where the site keeps its users; the defaults are stock ``auth_user``.

    Attributes:
        name: the table.
        key: its primary key's column.
        key_type: of the primary key.
        username: the column of USERNAME_FIELD.
        columns: those of Django's own columns that the table has, with their maximal length in characters or None.
        always_active: whether the model knows no inactive users (``AbstractBaseUser.is_active``); only then may the
            column be missing.
        groups: who is in which group; None where the model has no ``PermissionsMixin``.
        permissions: who has which permission of their own; likewise.
    """

    name: str = "auth_user"
    key: str = "id"
    key_type: KeyType = "integer"
    username: str = "username"
    columns: Mapping[str, int | None] = field(
        default_factory=lambda: {
            "username": 150,
            "password": 128,
            "email": 254,
            "first_name": 150,
            "last_name": 150,
            "is_active": None,
            "is_staff": None,
            "is_superuser": None,
            "date_joined": None,
            "last_login": None,
        }
    )
    always_active: bool = False
    groups: Membership | None = Membership("auth_user_groups", "user_id", "group_id")
    permissions: Membership | None = Membership("auth_user_user_permissions", "user_id", "permission_id")

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read the JSON form."""
        named = {name: document[name] for name in ("groups", "permissions")}
        memberships = {name: None if value is None else Membership(**value) for name, value in named.items()}
        return cls(**{**document, **memberships})
