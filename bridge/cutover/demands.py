"""What an operation demands of whoever asks for it, and how the two apps' demands differ."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

__all__ = ["Demands", "differences", "in_words", "lacking"]


@dataclass(frozen=True, slots=True)
class Demands:
    """What must hold for a request to be let in.

    Attributes:
        login: whether it must have a user; None where that cannot be told.
        staff: whether they must be staff; ``superuser`` likewise.
        permissions: as ``app_label.codename``, all of which they must hold.
        groups: all of which they must be in.
        scopes: all of which a token must carry that is limited to some.
        unknown: requirements that have no word here, by the dotted name of what checks them.
    """

    login: bool | None = False
    staff: bool = False
    superuser: bool = False
    permissions: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    unknown: tuple[str, ...] = ()

    @property
    def needs_user(self) -> bool | None:
        """Whether nobody is let in who has not logged in; None where that cannot be told."""
        return True if self.staff or self.superuser or self.permissions or self.groups else self.login

    @property
    def users(self) -> tuple[str, ...]:
        """The kinds of user that may be let in, of ``user``, ``staff`` and ``superuser``."""
        if self.superuser:
            return ("superuser",)
        return ("staff",) if self.staff else ("user", "staff")

    def __and__(self, other: "Demands") -> "Demands":
        """Give the demands of both."""
        certain, uncertain = self.login or other.login, None in (self.login, other.login)
        return Demands(
            login=True if certain else (None if uncertain else False),
            staff=self.staff or other.staff,
            superuser=self.superuser or other.superuser,
            permissions=self.permissions | other.permissions,
            groups=self.groups | other.groups,
            scopes=self.scopes | other.scopes,
            unknown=tuple(dict.fromkeys((*self.unknown, *other.unknown))),
        )

    @classmethod
    def told_by_nobody(cls, name: str) -> Self:
        """Give what is demanded by something that only its author understands."""
        return cls(login=None, unknown=(name,))


_NOTHING: Final = Demands()


def differences(legacy: Demands, handler: Demands) -> tuple[str, ...]:
    """Say in words how a handler's demands differ from those of Django's view; nothing where they are the same."""
    return (*lacking(legacy, handler), *_more(legacy, handler), *_untold(legacy, handler))


def lacking(legacy: Demands, handler: Demands) -> tuple[str, ...]:
    """Say what Django's view demands and the handler does not: whom it would let in who was kept out."""
    return tuple(_less(legacy, handler))


def in_words(demands: Demands) -> str:
    """Say what is demanded, as in ``staff, permission shop.ship``; ``nothing`` where anybody is let in."""
    return ", ".join(_words(demands)) or "nothing"


def _words(demands: Demands) -> Iterator[str]:
    if demands.staff:
        yield "staff"
    if demands.superuser:
        yield "superuser"
    if demands.login and not demands.staff and not demands.superuser:
        yield "login"
    for word in ("permission", "group", "scope"):
        names: frozenset[str] = getattr(demands, f"{word}s")
        yield from (f"{word} {name}" for name in sorted(names))
    if demands.login is None and not demands.unknown:
        yield "what cannot be told"
    yield from (f"what {name} asks" for name in demands.unknown)


def _less(legacy: Demands, handler: Demands) -> Iterator[str]:
    if legacy.needs_user and not handler.needs_user:
        yield "Django demands a login, the handler does not"
    if legacy.staff and not handler.staff:
        yield "Django lets only staff in, the handler others as well"
    if legacy.superuser and not handler.superuser:
        yield "Django lets only superusers in, the handler others as well"
    # Superusers hold all permissions, and are in the groups alone that they were put into.
    permissions = frozenset[str]() if handler.superuser else legacy.permissions - handler.permissions
    yield from (f"Django demands the permission {each}, the handler does not" for each in sorted(permissions))
    groups = legacy.groups - handler.groups
    yield from (f"Django demands the group {each}, the handler does not" for each in sorted(groups))
    if legacy.unknown and handler == _NOTHING:
        yield f"Django's view asks {', '.join(legacy.unknown)}, the handler asks nothing"


def _more(legacy: Demands, handler: Demands) -> Iterator[str]:
    if handler.needs_user and legacy.needs_user is False:
        yield "the handler demands a login, Django does not"
    if handler.staff and not legacy.staff:
        yield "the handler lets only staff in, Django others as well"
    if handler.superuser and not legacy.superuser:
        yield "the handler lets only superusers in, Django others as well"
    permissions = frozenset[str]() if legacy.superuser else handler.permissions - legacy.permissions
    yield from (f"the handler demands the permission {each}, Django does not" for each in sorted(permissions))
    groups = handler.groups - legacy.groups
    yield from (f"the handler demands the group {each}, Django does not" for each in sorted(groups))
    yield from (f"the handler demands the scope {each} of limited tokens" for each in sorted(handler.scopes))


def _untold(legacy: Demands, handler: Demands) -> Iterator[str]:
    for side, demands in (("Django's view", legacy), ("the handler", handler)):
        if demands.unknown:
            yield f"compare by hand what {side} asks: {', '.join(demands.unknown)}"
