"""Class-based views: Django's own, and those of Django REST framework."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import and_
from types import FunctionType
from typing import Any, Final

from django.contrib.auth.mixins import LoginRequiredMixin, PermissionRequiredMixin, UserPassesTestMixin
from django.views.generic import View

from bridge.contrib.django.describing.urls.layers import ANYBODY, CLASS_VIEWS, LOGIN, layers_around, unwrapped
from bridge.contrib.django.describing.urls.names import LONGEST_NAME, dotted, held_by, is_frameworks
from bridge.cutover.demands import Demands
from bridge.cutover.operations import METHODS

__all__ = ["BuiltView", "actions_of", "built_from", "demands"]

_API_VIEW: Final = ("rest_framework.views", "APIView")


@dataclass(frozen=True, slots=True)
class BuiltView:
    """What ``as_view`` made a view from.

    Attributes:
        cls: the class.
        options: the arguments, which take the place of its attributes.
        actions: of a viewset, for each method; None for other classes.
    """

    cls: Any
    options: Mapping[str, Any]
    actions: Mapping[str, str] | None

    @property
    def is_api_view(self) -> bool:
        """Whether it is one of Django REST framework."""
        return _API_VIEW in [(base.__module__, base.__name__) for base in self.cls.__mro__]

    def option(self, name: str) -> Any:
        """Give an attribute that it has in effect; None without it."""
        return self.options.get(name, getattr(self.cls, name, None))

    def handlers(self) -> Iterator[tuple[str, Any]]:
        """Give the methods that it answers, and what answers them."""
        allowed = [name.lower() for name in self.option("http_method_names") or ()]
        for method in METHODS:
            name = method.lower() if self.actions is None else self.actions.get(method.lower(), "")
            handler = getattr(self.cls, name, None) if name else None
            if handler is not None and method.lower() in allowed:
                yield method, handler


def built_from(view: Any) -> BuiltView | None:
    """Give what a view was made from by ``as_view``; None for other views."""
    if not isinstance(view, FunctionType) or view.__code__.co_qualname not in CLASS_VIEWS:
        return None
    held = held_by(view)
    return BuiltView(held["cls"], held["initkwargs"], held.get("actions"))


def actions_of(view: Any) -> Mapping[str, str]:
    """Give what a viewset calls each method that it answers; nothing for other views."""
    built = built_from(view)
    if built is None or built.actions is None:
        return {}
    return {method: built.actions[method.lower()][:LONGEST_NAME] for method, _ in built.handlers()}


def demands(view: BuiltView) -> tuple[Demands, dict[str, Demands] | None]:
    """Give what a class demands, and what each method that it has a handler for does; None where it has no handlers."""
    found = {method: _of_handler(view, method, handler) for method, handler in view.handlers()}
    return reduce(and_, _of_dispatch(view), ANYBODY), found or None


def _of_handler(view: BuiltView, method: str, handler: Any) -> Demands:
    around = reduce(and_, (layer.demands for layer in layers_around(handler)), ANYBODY)
    if not view.is_api_view:
        return around
    # Only where it is installed.
    from bridge.contrib.django.describing.urls import api_permissions  # noqa: PLC0415  # as said

    return around & api_permissions.demands(view, method)


def _of_dispatch(view: BuiltView) -> Iterator[Demands]:
    """Follow ``dispatch`` through the class's bases, as its calls of ``super()`` do, up to the one that calls none."""
    for base in view.cls.__mro__:
        dispatch = vars(base).get("dispatch")
        if dispatch is None:
            continue
        yield from (layer.demands for layer in layers_around(dispatch))
        inner = unwrapped(dispatch)[1]
        if inner is View.dispatch or dotted(inner) == "rest_framework.views.APIView.dispatch":
            return
        yield _of_mixin(view, inner)


def _of_mixin(view: BuiltView, dispatch: Any) -> Demands:
    if dispatch is LoginRequiredMixin.dispatch:
        return LOGIN
    if dispatch is PermissionRequiredMixin.dispatch:
        return _permissions(view)
    if dispatch is UserPassesTestMixin.dispatch:
        is_stock = view.cls.get_test_func is UserPassesTestMixin.get_test_func
        return Demands.told_by_nobody(dotted(view.cls.test_func if is_stock else view.cls.get_test_func))
    return ANYBODY if is_frameworks(dispatch.__module__) else Demands.told_by_nobody(dotted(dispatch))


def _permissions(view: BuiltView) -> Demands:
    for name in ("has_permission", "get_permission_required"):
        if getattr(view.cls, name) is not getattr(PermissionRequiredMixin, name):
            return Demands.told_by_nobody(dotted(getattr(view.cls, name)))
    named = view.option("permission_required") or ()
    return Demands(login=True, permissions=frozenset([named] if isinstance(named, str) else named))
