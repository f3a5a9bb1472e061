"""The operations of django-ninja, told by what they are: it need not be installed."""

from collections.abc import Sequence
from functools import reduce
from operator import and_
from types import FunctionType
from typing import Any, Final

from bridge.contrib.django.describing.urls.layers import ANYBODY, LOGIN, layers_around
from bridge.contrib.django.describing.urls.names import dotted, held_by
from bridge.cutover.demands import Demands
from bridge.cutover.operations import METHODS

__all__ = ["demands", "operations_of"]

_KNOWN: Final = {
    "ninja.security.session.SessionAuth": LOGIN,
    "ninja.security.session.SessionAuthIsStaff": Demands(login=True, staff=True),
    "ninja.security.session.SessionAuthSuperUser": Demands(login=True, superuser=True),
    "bridge.contrib.ninja.BearerAuth": LOGIN,
    "bridge.contrib.ninja.AsyncBearerAuth": LOGIN,
}


def operations_of(view: Any) -> Sequence[Any]:
    """Give the operations behind a view; none where it is not one of ninja's."""
    path_view = held_by(view).get("self") if isinstance(view, FunctionType) else getattr(view, "__self__", None)
    is_ninjas = type(path_view).__module__ == "ninja.operation"
    return tuple(getattr(path_view, "operations", ())) if is_ninjas else ()


def demands(operations: Sequence[Any]) -> dict[str, Demands]:
    """Give the demands of each method; of two operations for a method, ninja takes the first."""
    found: dict[str, Demands] = {}
    for operation in operations:
        around = reduce(and_, (layer.demands for layer in layers_around(operation.view_func)), ANYBODY)
        for method in (each for each in METHODS if each in operation.methods):
            found.setdefault(method, around & _of_auth(operation.auth_callbacks))
    return found


def _of_auth(callbacks: Sequence[Any]) -> Demands:
    """Give what the authentication classes demand, any one of which is enough."""
    if not callbacks:
        return ANYBODY
    names = [dotted(callback if isinstance(callback, FunctionType) else type(callback)) for callback in callbacks]
    known = [_KNOWN[name] for name in names if name in _KNOWN]
    if len(known) < len(names):
        return Demands.told_by_nobody(" or ".join(names))
    return Demands(login=True, staff=all(each.staff for each in known), superuser=all(each.superuser for each in known))
