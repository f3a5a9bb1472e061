"""The permission classes of Django REST framework; imported only where it is installed."""

from collections.abc import Callable, Iterator
from functools import reduce
from operator import and_
from typing import Any, Final

from rest_framework import permissions
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import SAFE_METHODS, BasePermission, DjangoModelPermissions
from rest_framework.views import APIView

from bridge.contrib.django.describing.urls.class_views import BuiltView
from bridge.contrib.django.describing.urls.layers import ANYBODY, LOGIN
from bridge.contrib.django.describing.urls.names import dotted
from bridge.cutover.demands import Demands

__all__ = ["demands"]

_HOOKS: Final = ("get_permissions", "check_permissions", "initial")


def demands(view: BuiltView, method: str) -> Demands:
    """Give what the permission classes of a view demand of a method."""
    return reduce(and_, _each(view, method), ANYBODY)


def _each(view: BuiltView, method: str) -> Iterator[Demands]:
    for hook in _HOOKS:
        if getattr(view.cls, hook) is not getattr(APIView, hook):
            yield Demands.told_by_nobody(dotted(getattr(view.cls, hook)))
    if view.cls.get_permissions is APIView.get_permissions:
        yield from (_of_permission(each, view, method) for each in view.option("permission_classes") or ())


def _of_permission(permission: Any, view: BuiltView, method: str) -> Demands:
    if isinstance(permission, permissions.OperandHolder) and _word(permission) == "and":
        return _of_permission(permission.op1_class, view, method) & _of_permission(permission.op2_class, view, method)
    rule = _RULES.get(getattr(permission, "has_permission", None))
    if rule is None:
        return Demands.told_by_nobody(_name(permission))
    asks_of_objects = permission.has_object_permission is not BasePermission.has_object_permission
    return rule(permission, view, method) & (Demands.told_by_nobody(_name(permission)) if asks_of_objects else ANYBODY)


def _name(permission: Any) -> str:
    if isinstance(permission, permissions.OperandHolder):
        return f"({_name(permission.op1_class)} {_word(permission)} {_name(permission.op2_class)})"
    if isinstance(permission, permissions.SingleOperandHolder):
        return f"not {_name(permission.op1_class)}"
    return dotted(permission)


def _word(holder: Any) -> str:
    return "and" if holder.operator_class is permissions.AND else "or"


def _of_unsafe_methods(_permission: Any, _view: BuiltView, method: str) -> Demands:
    return ANYBODY if method in SAFE_METHODS else LOGIN


def _of_model(permission: Any, view: BuiltView, method: str) -> Demands:
    model = _model(view)
    is_stock = permission.get_required_permissions is DjangoModelPermissions.get_required_permissions
    if view.option("_ignore_model_permissions"):
        names = []
    elif model is None or not is_stock or permission._queryset is not DjangoModelPermissions._queryset:  # noqa: SLF001  # it may be overridden
        return Demands.told_by_nobody(dotted(permission))
    else:
        words = {"app_label": model._meta.app_label, "model_name": model._meta.model_name}  # noqa: SLF001  # documented API
        names = [name % words for name in permission.perms_map.get(method, ())]
    return Demands(login=bool(permission.authenticated_users_only or names), permissions=frozenset(names))


def _model(view: BuiltView) -> Any:
    """Give the model whose permissions are asked for; None where only a request could tell."""
    if getattr(view.cls, "get_queryset", GenericAPIView.get_queryset) is not GenericAPIView.get_queryset:
        return None
    return getattr(view.option("queryset"), "model", None)


# By the function that decides: a class may have another name, or a message of its own, and decide the same.
_RULES: Final[dict[Any, Callable[[Any, BuiltView, str], Demands]]] = {
    BasePermission.has_permission: lambda *_: ANYBODY,
    permissions.AllowAny.has_permission: lambda *_: ANYBODY,
    permissions.IsAuthenticated.has_permission: lambda *_: LOGIN,
    permissions.IsAdminUser.has_permission: lambda *_: Demands(login=True, staff=True),
    permissions.IsAuthenticatedOrReadOnly.has_permission: _of_unsafe_methods,
    DjangoModelPermissions.has_permission: _of_model,
}
