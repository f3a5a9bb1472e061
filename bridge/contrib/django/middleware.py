"""Bearer tokens in plain Django views."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponseBase

from bridge.contrib.django.conf import token_verifier
from bridge.contrib.django.models import RevokedToken
from bridge.errors import InvalidToken

__all__ = ["BearerTokenMiddleware"]

_Answer: TypeAlias = HttpResponseBase | Awaitable[HttpResponseBase]


class BearerTokenMiddleware:
    """Lets ``Authorization: Bearer`` open what a session would. Goes right after ``AuthenticationMiddleware``.

    A valid token beats a session cookie and waives the CSRF check, since no browser sends it by itself. A refused one
    leaves the request as it was for views that answer to other schemes (SimpleJWT's tokens of another key, say).
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], _Answer]) -> None:
        self._get_response = get_response
        self._verifier = token_verifier()
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> _Answer:
        if iscoroutinefunction(self):
            return self._in_async(request)
        self._admit(request, self._user_of(request))
        return self._get_response(request)

    async def _in_async(self, request: HttpRequest) -> HttpResponseBase:
        if "Authorization" in request.headers:
            self._admit(request, await sync_to_async(self._user_of)(request))
        answer = self._get_response(request)
        return await answer if isinstance(answer, Awaitable) else answer

    def _user_of(self, request: HttpRequest) -> AbstractBaseUser | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        try:
            claims = self._verifier.verify(token)
        except InvalidToken:
            return None
        if RevokedToken.objects.filter(token_id=claims.token_id).exists():
            return None
        return _active_user(claims.user_id)

    @staticmethod
    def _admit(request: HttpRequest, user: AbstractBaseUser | None) -> None:
        if user is None:
            return

        async def auser() -> AbstractBaseUser:  # noqa: RUF029  # Django awaits it
            return user

        request.user = user  # type: ignore[assignment]  # django-stubs wants the concrete user model
        request.auser = auser  # type: ignore[assignment,method-assign]
        request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]  # noqa: SLF001  # as DRF and Django's own test client do


def _active_user(user_id: str) -> AbstractBaseUser | None:
    model = get_user_model()
    try:
        user = model._default_manager.get(pk=user_id)  # noqa: SLF001  # the manager that Django's own backends use
    except (model.DoesNotExist, ValueError, ValidationError, OverflowError):
        return None
    return user if user.is_active else None
