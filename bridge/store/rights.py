"""What a user may do, read from the tables of ``django.contrib.auth``."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Self

from bridge.profile import UserTable
from bridge.store.database import Row, quoted
from bridge.store.text import is_storable

__all__ = ["NOTHING", "Rights", "RightsColumns", "auth_tables", "is_permission"]


def auth_tables(table: UserTable) -> Iterator[str]:
    """Give the tables that are read to tell what users may do, as far as the user model has any use for them."""
    if table.permissions is None and table.groups is None:
        return
    yield from ("auth_permission", "django_content_type")
    if table.permissions is not None:
        yield table.permissions.table
    if table.groups is not None:
        yield from ("auth_group", "auth_group_permissions", table.groups.table)


def is_permission(name: str) -> bool:
    """Tell whether a name is ``app_label.codename``; an app's label is an identifier, a codename may be any text."""
    label, _, codename = name.partition(".")
    return label.isidentifier() and bool(codename) and is_storable(name)


@dataclass(frozen=True, slots=True)
class Rights:
    """Permissions and memberships: asked for, or held.

    Attributes:
        permissions: as ``app_label.codename``.
        groups: by name.

    Raises:
        TypeError: a name is no text.
        ValueError: a name is no permission's, or none that a group can have.
    """

    permissions: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for name in (*self.permissions, *self.groups):
            if not isinstance(name, str):
                raise TypeError(f"{name!r} is no text")
        for name in self.permissions:
            if not is_permission(name):
                raise ValueError(f"{name!r} is no permission: name it app_label.codename, as in user.has_perm")
        for name in self.groups:
            if not name or not is_storable(name):
                raise ValueError(f"{name!r} is no name of a group")

    @classmethod
    def all_of(cls, several: Iterable["Rights"]) -> Self:
        """Put several together."""
        listed = tuple(several)
        return cls(
            permissions=frozenset().union(*(each.permissions for each in listed)),
            groups=frozenset().union(*(each.groups for each in listed)),
        )

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self.permissions or self.groups)

    def __le__(self, other: "Rights") -> bool:
        """Tell whether all of these are among the others."""
        return self.permissions <= other.permissions and self.groups <= other.groups


NOTHING: Final = Rights()


class RightsColumns:
    """Columns for a statement on the user table, which tell of each row's user what they hold.

    They say what ``django.contrib.auth.backends.ModelBackend`` says: a permission is the user's own, or one of a group
    that they are in.

    Args:
        table: the user table; where its model lacks one of ``PermissionsMixin``'s fields, nothing is held through it.
    """

    def __init__(self, table: UserTable) -> None:
        self._groups = table.groups
        self._permissions = table.permissions
        self._user = f"{quoted(table.name)}.{quoted(table.key)}"

    def of(self, asked: Rights) -> str:
        """Give the columns, each after a comma: nothing where nothing is asked, or nothing can be held."""
        columns = [f"{self._holds(slot)} AS {slot}" for slot, _ in self._permission_slots(asked)]
        columns += [f"{self._is_in(slot)} AS {slot}" for slot, _ in self._group_slots(asked)]
        return "".join(f", {column}" for column in columns)

    def parameters(self, asked: Rights) -> dict[str, str]:
        """Give what the columns compare with."""
        given = dict(self._group_slots(asked))
        for slot, name in self._permission_slots(asked):
            given[f"{slot}_label"], _, given[f"{slot}_codename"] = name.partition(".")
        return given

    def held(self, row: Row, asked: Rights, *, is_active: bool, is_superuser: bool) -> Rights:
        """Read which of what was asked the row's user holds.

        Superusers hold every permission, whether there is such a one or not, and are in the groups that they are in.
        Inactive users hold nothing.
        """
        if not is_active:
            return NOTHING
        return Rights(
            permissions=asked.permissions
            if is_superuser
            else frozenset(name for slot, name in self._permission_slots(asked) if row[slot]),
            groups=frozenset(name for slot, name in self._group_slots(asked) if row[slot]),
        )

    def _permission_slots(self, asked: Rights) -> Iterator[tuple[str, str]]:
        if self._permissions is not None or self._groups is not None:
            yield from ((f"permission_{number}", name) for number, name in enumerate(sorted(asked.permissions)))

    def _group_slots(self, asked: Rights) -> Iterator[tuple[str, str]]:
        if self._groups is not None:
            yield from ((f"group_{number}", name) for number, name in enumerate(sorted(asked.groups)))

    def _holds(self, slot: str) -> str:
        ways = " OR ".join(self._ways())
        return (
            "EXISTS (SELECT 1 FROM auth_permission held"
            " JOIN django_content_type held_type ON held_type.id = held.content_type_id"
            f" WHERE held_type.app_label = :{slot}_label AND held.codename = :{slot}_codename AND ({ways}))"
        )

    def _ways(self) -> Iterator[str]:
        if self._permissions is not None:
            own = self._permissions
            yield (
                f"EXISTS (SELECT 1 FROM {quoted(own.table)} own"
                f" WHERE own.{quoted(own.other)} = held.id AND own.{quoted(own.user)} = {self._user})"
            )
        if self._groups is not None:
            member = self._groups
            yield (
                f"EXISTS (SELECT 1 FROM {quoted(member.table)} member"
                f" JOIN auth_group_permissions granted ON granted.group_id = member.{quoted(member.other)}"
                f" WHERE granted.permission_id = held.id AND member.{quoted(member.user)} = {self._user})"
            )

    def _is_in(self, slot: str) -> str:
        assert self._groups is not None  # noqa: S101  # without it there are no slots
        member = self._groups
        return (
            f"EXISTS (SELECT 1 FROM {quoted(member.table)} member"
            f" JOIN auth_group named ON named.id = member.{quoted(member.other)}"
            f" WHERE named.name = :{slot} AND member.{quoted(member.user)} = {self._user})"
        )
