"""Views of every kind that a site may have, each asking for something else."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.admin.views.decorators import staff_member_required
from django.contrib.auth.decorators import login_required, permission_required, user_passes_test
from django.contrib.auth.mixins import LoginRequiredMixin, PermissionRequiredMixin, UserPassesTestMixin
from django.contrib.auth.models import Group
from django.contrib.syndication.views import Feed
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.decorators import decorator_from_middleware, method_decorator
from django.views import View
from django.views.decorators.cache import cache_page, never_cache
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_GET, require_http_methods, require_POST, require_safe
from django.views.generic import TemplateView
from rest_framework.decorators import action, api_view, permission_classes
from rest_framework.permissions import (
    AllowAny,
    BasePermission,
    DjangoModelPermissions,
    DjangoModelPermissionsOrAnonReadOnly,
    IsAdminUser,
    IsAuthenticated,
    IsAuthenticatedOrReadOnly,
)
from rest_framework.views import APIView
from rest_framework.viewsets import ModelViewSet, ViewSet

SomeView = Callable[..., HttpResponseBase]


def plain(request: HttpRequest, **_: Any) -> HttpResponse:
    raise AssertionError("nobody calls a view to describe it")


# Functions ------------------------------------------------------------------------------------------------------------


def ours(view: SomeView) -> SomeView:
    @wraps(view)
    def checked(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        return view(request, **kwargs)

    return checked


def ours_without_wraps(view: SomeView) -> SomeView:
    def checked(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        return view(request, **kwargs)

    return checked


class OurObject:
    def __init__(self, view: SomeView) -> None:
        self.view = view

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.view(request)


class OurMiddleware:
    def __init__(self, get_response: SomeView) -> None:
        self.get_response = get_response


def is_customer(user: Any) -> bool:
    return bool(user.email)


FUNCTIONS: dict[str, Any] = {
    "plain": plain,
    "get": require_GET(plain),
    "post": require_POST(plain),
    "safe": require_safe(plain),
    "methods": require_http_methods(["PUT", "DELETE"])(plain),
    "methods_of_both": require_http_methods(["GET", "POST"])(require_http_methods(["POST", "PUT"])(plain)),
    "login": login_required(plain),
    "login_with_arguments": login_required(login_url="/in/")(plain),
    "login_below_others": never_cache(csrf_protect(cache_page(60)(transaction.atomic(login_required(plain))))),
    "staff": staff_member_required(plain),
    "permission": permission_required("auth.view_group")(plain),
    "permissions": permission_required(["auth.view_group", "auth.add_group"], raise_exception=True)(plain),
    "own_test": user_passes_test(is_customer)(plain),
    "own_test_and_login": login_required(user_passes_test(is_customer)(plain)),
    "own_decorator": ours(plain),
    "own_decorator_over_login": ours(login_required(plain)),
    "own_decorator_without_wraps": ours_without_wraps(plain),
    "own_object": OurObject(plain),
    "own_middleware": decorator_from_middleware(OurMiddleware)(plain),
    "csrf_exempt": csrf_exempt(login_required(plain)),
}

# Classes --------------------------------------------------------------------------------------------------------------


class Both(View):
    def get(self, request: HttpRequest) -> HttpResponse:
        return plain(request)

    def post(self, request: HttpRequest) -> HttpResponse:
        return plain(request)


class OnlyGet(Both):
    http_method_names = ["get", "options"]  # as Django has it


class Login(LoginRequiredMixin, Both):
    pass


class LoginTooLate(Both, LoginRequiredMixin):
    """``View.dispatch`` comes first, and calls no other."""


class Permission(PermissionRequiredMixin, Both):
    permission_required = "auth.view_group"


class OwnPermission(PermissionRequiredMixin, Both):
    def has_permission(self) -> bool:
        return False


class OwnTest(LoginRequiredMixin, UserPassesTestMixin, Both):
    def test_func(self) -> bool:
        return False


@method_decorator([never_cache, login_required], name="dispatch")
class DecoratedDispatch(Both):
    pass


@method_decorator(ours, name="dispatch")
class OwnDecoratedDispatch(Both):
    pass


class DecoratedMethod(Both):
    @method_decorator(permission_required("auth.add_group"))
    def post(self, request: HttpRequest) -> HttpResponse:
        return plain(request)


class OwnDispatch(LoginRequiredMixin, Both):
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return super().dispatch(request, *args, **kwargs)


class OnlyDispatch(View):
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return plain(request)


CLASSES: dict[str, Any] = {
    "only_dispatch": OnlyDispatch.as_view(),
    "both": Both.as_view(),
    "only_get": OnlyGet.as_view(),
    "template": TemplateView.as_view(template_name="x.html"),
    "login_mixin": Login.as_view(),
    "login_mixin_too_late": LoginTooLate.as_view(),
    "permission_mixin": Permission.as_view(),
    "permission_in_as_view": Permission.as_view(permission_required=("auth.add_group",)),
    "own_permission": OwnPermission.as_view(),
    "own_test_mixin": OwnTest.as_view(),
    "decorated_dispatch": DecoratedDispatch.as_view(),
    "own_decorated_dispatch": OwnDecoratedDispatch.as_view(),
    "decorated_method": DecoratedMethod.as_view(),
    "own_dispatch": OwnDispatch.as_view(),
    "login_around_class": login_required(Both.as_view()),
    "staff_around_login": staff_member_required(Login.as_view()),
    "feed": Feed(),
}

# Django REST framework ------------------------------------------------------------------------------------------------


class Api(APIView):
    permission_classes: Any = (AllowAny,)

    def get(self, request: Any) -> Any:
        raise AssertionError

    def post(self, request: Any) -> Any:
        raise AssertionError


class ApiWithDefault(APIView):
    def get(self, request: Any) -> Any:
        raise AssertionError


class OwnRule(BasePermission):
    def has_permission(self, request: Any, view: Any) -> bool:
        return False


class OwnRuleForObjects(IsAuthenticated):
    def has_object_permission(self, request: Any, view: Any, obj: Any) -> bool:
        return False


class RenamedRule(IsAdminUser):
    message = "Staff, please."


class OwnHook(Api):
    permission_classes = (IsAuthenticated,)

    def get_permissions(self) -> list[Any]:
        return []


class Groups(ModelViewSet[Group]):
    queryset = Group.objects.all()
    permission_classes = (DjangoModelPermissions,)

    @action(detail=True, methods=["post"], permission_classes=[IsAdminUser])
    def freeze(self, request: Any, pk: Any) -> Any:
        raise AssertionError


class ReadableGroups(Groups):
    permission_classes = (DjangoModelPermissionsOrAnonReadOnly,)


class SomeGroups(Groups):
    def get_queryset(self) -> Any:
        raise AssertionError("nobody asks")


class Status(ViewSet):
    permission_classes = (IsAuthenticatedOrReadOnly,)

    def list(self, request: Any) -> Any:
        raise AssertionError

    def create(self, request: Any) -> Any:
        raise AssertionError


@api_view(["GET", "PUT"])
@permission_classes([IsAuthenticated])
def api_function(request: Any) -> Any:
    raise AssertionError


@api_view(["POST"])
@permission_classes([])
@permission_required("auth.add_group")
def api_function_with_decorator(request: Any) -> Any:
    raise AssertionError


API: dict[str, Any] = {
    "api_open": Api.as_view(),
    "api_default": ApiWithDefault.as_view(),
    "api_login": Api.as_view(permission_classes=[IsAuthenticated]),
    "api_staff": Api.as_view(permission_classes=[RenamedRule]),
    "api_read_only": Api.as_view(permission_classes=[IsAuthenticatedOrReadOnly]),
    "api_own": Api.as_view(permission_classes=[IsAuthenticated, OwnRule]),
    "api_own_for_objects": Api.as_view(permission_classes=[OwnRuleForObjects]),
    "api_and": Api.as_view(permission_classes=[IsAuthenticated & IsAdminUser]),
    "api_or": Api.as_view(permission_classes=[IsAdminUser | OwnRule]),
    "api_not": Api.as_view(permission_classes=[~IsAuthenticated]),
    "api_own_hook": OwnHook.as_view(),
    "api_groups": Groups.as_view({"get": "list", "post": "create"}),
    "api_group": Groups.as_view({"get": "retrieve", "put": "update", "patch": "partial_update", "delete": "destroy"}),
    "api_readable_groups": ReadableGroups.as_view({"get": "list", "post": "create"}),
    "api_some_groups": SomeGroups.as_view({"get": "list"}),
    "api_status": Status.as_view({"get": "list", "post": "create"}),
    "api_function": api_function,
    "api_function_with_decorator": api_function_with_decorator,
}
