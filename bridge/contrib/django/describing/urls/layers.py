"""The decorators around a view, read from their code and from what they hold; none is called around a real view."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from types import FunctionType, MethodType
from typing import Any, Final

from django.db.transaction import Atomic

from bridge.contrib.django.describing.urls.names import code_name, dotted, held_by, is_frameworks
from bridge.cutover.demands import Demands

__all__ = ["ANYBODY", "CLASS_VIEWS", "LOGIN", "Layer", "layers_around", "unwrapped"]

ANYBODY: Final = Demands()
LOGIN: Final = Demands(login=True)
_STAFF: Final = Demands(login=True, staff=True)

_MOST_LAYERS: Final = 50
CLASS_VIEWS: Final = ("View.as_view.<locals>.view", "ViewSetMixin.as_view.<locals>.view")
_WRAPPED: Final = ("view_func", "func", "method", "view")


@dataclass(frozen=True, slots=True)
class Layer:
    """One decorator.

    Attributes:
        demands: what it asks for.
        methods: those that it lets pass; None for all.
        is_admins: whether it is that of an admin site.
    """

    demands: Demands = ANYBODY
    methods: frozenset[str] | None = None
    is_admins: bool = False


def unwrapped(view: Any) -> tuple[list[Any], Any]:
    """Give the wrappers around a view, the outermost first, and the view itself."""
    wrappers = []
    for _ in range(_MOST_LAYERS):
        function = getattr(view, "__func__", view)
        inner = view.func if isinstance(view, partial) else _inside(function)
        if inner is None:
            break
        if not isinstance(view, partial):
            wrappers.append(function)
        view = inner
    return wrappers, view


def _inside(function: Any) -> Any:
    """Give what a wrapper holds; None where it is no wrapper.

    ``AdminSite.admin_view`` overwrites the ``__wrapped__`` of the wrappers that it makes, so that it does not count for
    Django's own. What ``as_view`` returned has that of its class's ``dispatch``, and is a view.
    """
    if isinstance(function, FunctionType):
        if function.__code__.co_qualname in CLASS_VIEWS:
            return None
        if code_name(function) in _KNOWN or is_frameworks(code_name(function)[0]):
            held = held_by(function)
            return next((held[name] for name in _WRAPPED if callable(held.get(name))), None)
    return getattr(function, "__dict__", {}).get("__wrapped__")


def layers_around(view: Any) -> Iterator[Layer]:
    """Read the decorators around a view."""
    wrappers, inner = unwrapped(view)
    for wrapper in wrappers:
        yield from _read(wrapper)
    if not isinstance(inner, type | MethodType) and _holds_another(inner):
        yield Layer(Demands.told_by_nobody(".".join(code_name(inner)) if _is_function(inner) else dotted(inner)))


def _holds_another(view: Any) -> bool:
    """Tell whether a view holds a function: perhaps it is a decorator's, which does without ``functools.wraps``."""
    if _is_function(view) and is_frameworks(code_name(view)[0]):
        return False
    held = held_by(view) if _is_function(view) else getattr(view, "__dict__", {})
    return any(_is_function(each) for each in held.values())


def _is_function(thing: Any) -> bool:
    return isinstance(thing, FunctionType)


def _read(wrapper: Any) -> Iterator[Layer]:
    if not isinstance(wrapper, FunctionType):
        yield Layer(Demands.told_by_nobody(dotted(type(wrapper))))
        return
    origin = code_name(wrapper)
    if origin in _KNOWN:
        yield from _KNOWN[origin](held_by(wrapper))
    elif not is_frameworks(origin[0]):
        yield Layer(Demands.told_by_nobody(".".join(origin)))


# Django's own decorators ----------------------------------------------------------------------------------------------


def _user_test(held: dict[str, Any]) -> Iterator[Layer]:
    yield Layer(_demands_of_test(held.get("test_func")))


def _demands_of_test(test: Any) -> Demands:
    origin = code_name(test) if isinstance(test, FunctionType) else ("", "")
    if origin == ("django.contrib.auth.decorators", "login_required"):
        return LOGIN
    if origin == ("django.contrib.admin.views.decorators", "staff_member_required"):
        return _STAFF
    if origin == ("django.contrib.auth.decorators", "permission_required"):
        held = held_by(test)
        named = held.get("perms", held.get("perm", ()))
        return Demands(login=True, permissions=frozenset([named] if isinstance(named, str) else named))
    return Demands.told_by_nobody(dotted(test))


def _methods(held: dict[str, Any]) -> Iterator[Layer]:
    yield Layer(methods=frozenset(held["request_method_list"]))


def _method_decorator(held: dict[str, Any]) -> Iterator[Layer]:
    """Put each decorator around a function of our own, as Django did when it made the method."""
    for decorator in held["decorators"] if isinstance(held["decorators"], Sequence) else [held["decorators"]]:
        function = decorator.func if isinstance(decorator, partial) else decorator
        if isinstance(function, FunctionType) and is_frameworks(code_name(function)[0]):
            yield from layers_around(decorator(_nothing))
        else:
            yield Layer(Demands.told_by_nobody(dotted(function)))


def _nothing(*_: object, **__: object) -> None:
    """Stand in for a method."""


def _middleware(held: dict[str, Any]) -> Iterator[Layer]:
    """Read ``decorator_from_middleware``; since Django 5.0 a function in between holds the middleware."""
    between = held.get("_pre_process_request")
    middleware = held_by(between).get("middleware") if isinstance(between, FunctionType) else held.get("middleware")
    if not is_frameworks(type(middleware).__module__):
        yield Layer(Demands.told_by_nobody(dotted(type(middleware))))


def _context(held: dict[str, Any]) -> Iterator[Layer]:
    if not isinstance(held.get("self"), Atomic):
        yield Layer(Demands.told_by_nobody(dotted(type(held.get("self")))))


def _admin(held: dict[str, Any]) -> Iterator[Layer]:
    """Read what an admin site puts around its views and those of its models (``AdminSite.admin_view``)."""
    owner: Any = held["self"]
    site: Any = getattr(owner, "admin_site", owner)
    decides = dotted(type(site).has_permission)
    is_stock = decides == "django.contrib.admin.sites.AdminSite.has_permission"  # which need not be installed
    demands = _STAFF if is_stock else Demands.told_by_nobody(decides)
    if site is not owner:  # a model's own, which it asks for while it runs
        demands &= Demands(login=None, unknown=(f"{dotted(type(owner))}.has_*_permission",))
    yield Layer(demands, is_admins=True)


_KNOWN: Final[dict[tuple[str, str], Callable[[dict[str, Any]], Iterator[Layer]]]] = {
    ("django.contrib.auth.decorators", "user_passes_test"): _user_test,
    ("django.views.decorators.http", "require_http_methods"): _methods,
    ("django.utils.decorators", "_multi_decorate"): _method_decorator,
    ("django.utils.decorators", "make_middleware_decorator"): _middleware,
    ("django.contrib.admin.sites", "AdminSite"): _admin,
    ("django.contrib.admin.options", "ModelAdmin"): _admin,
    ("contextlib", "ContextDecorator"): _context,
}
