"""What a view is, which methods it answers, and what it demands."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_
from typing import Any, Literal

from django.conf import settings
from django.contrib.auth import middleware
from django.utils.module_loading import import_string

from bridge.contrib.django.describing.urls import class_views, ninja_views
from bridge.contrib.django.describing.urls.layers import ANYBODY, LOGIN, Layer, layers_around, unwrapped
from bridge.contrib.django.describing.urls.names import dotted
from bridge.cutover.demands import Demands
from bridge.cutover.operations import METHODS

__all__ = ["View", "view_of"]

Kind = Literal["view", "class", "drf", "ninja", "admin"]
DemandsByMethod = dict[str, Demands]


@dataclass(frozen=True, slots=True)
class View:
    """A view.

    Attributes:
        name: dotted.
        demands: for each group of methods that demand the same; no methods where it says nothing of them.
        actions: of a viewset, for each method.
    """

    name: str
    kind: Kind
    demands: tuple[tuple[tuple[str, ...], Demands], ...]
    is_csrf_exempt: bool
    actions: Mapping[str, str]


def view_of(callback: Any) -> View:
    """Describe what a URL leads to."""
    layers = list(layers_around(callback))
    inner = unwrapped(callback)[1]
    kind, name, within, by_method = _inside(inner)
    around = reduce(and_, (layer.demands for layer in layers), _of_middleware(callback) & within)
    return View(
        name=name,
        kind="admin" if any(layer.is_admins for layer in layers) or name.startswith("django.contrib.admin.") else kind,
        demands=tuple(_grouped(_let_pass(by_method, layers), around)),
        is_csrf_exempt=bool(getattr(callback, "csrf_exempt", False)),
        actions=class_views.actions_of(inner),
    )


def _inside(view: Any) -> tuple[Kind, str, Demands, DemandsByMethod | None]:
    """Give kind, name, demands, and those of each method; None where it says nothing of methods."""
    operations = ninja_views.operations_of(view)
    if operations:
        return "ninja", dotted(operations[0].view_func), ANYBODY, ninja_views.demands(operations)
    built = class_views.built_from(view)
    if built is None:
        return "view", dotted(view), ANYBODY, None
    return ("drf" if built.is_api_view else "class"), dotted(built.cls), *class_views.demands(built)


def _let_pass(by_method: DemandsByMethod | None, layers: Sequence[Layer]) -> DemandsByMethod | None:
    """Leave the methods that every layer lets pass."""
    limits = [layer.methods for layer in layers if layer.methods is not None]
    if by_method is None and not limits:
        return None
    known = dict.fromkeys(METHODS, ANYBODY) if by_method is None else by_method
    return {method: demands for method, demands in known.items() if all(method in limit for limit in limits)}


def _grouped(by_method: DemandsByMethod | None, around: Demands) -> Iterator[tuple[tuple[str, ...], Demands]]:
    if by_method is None:
        yield (), around
        return
    groups: dict[Demands, list[str]] = {}
    for method, demands in by_method.items():
        groups.setdefault(around & demands, []).append(method)
    yield from ((tuple(methods), demands) for demands, methods in groups.items())


def _of_middleware(callback: Any) -> Demands:
    """Give what ``LoginRequiredMiddleware`` demands, which Django has since 5.1."""
    known: Any = getattr(middleware, "LoginRequiredMiddleware", None)
    classes = map(import_string, settings.MIDDLEWARE if known else ())
    ours = (each for each in classes if isinstance(each, type) and issubclass(each, known))
    return reduce(and_, (_of_login_middleware(each, known, callback) for each in ours), ANYBODY)


def _of_login_middleware(cls: Any, known: Any, callback: Any) -> Demands:
    if cls.process_view is not known.process_view:
        return Demands.told_by_nobody(dotted(cls.process_view))
    return LOGIN if getattr(callback, "login_required", True) else ANYBODY
