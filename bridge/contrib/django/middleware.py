"""Sessions that survive a re-hash under parallel requests, and bearer tokens in plain views."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeAlias

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.contrib import auth
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.middleware import AuthenticationMiddleware as DjangoAuthenticationMiddleware
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest, HttpResponseBase
from django.utils.functional import SimpleLazyObject

from bridge.contrib.django.bearer import holder_of, token_of
from bridge.contrib.django.conf import token_verifier
from bridge.contrib.django.ending import follow_session
from bridge.contrib.django.joining import ahas_ended, has_ended, session_name
from bridge.contrib.django.sessions import ASKED_LINEAGE

__all__ = ["AuthenticationMiddleware", "BearerTokenMiddleware"]

_Answer: TypeAlias = HttpResponseBase | Awaitable[HttpResponseBase]


class AuthenticationMiddleware(DjangoAuthenticationMiddleware):
    """Django's own, but sessions end with the grants that they are joined to, and none ends over a re-hash.

    Django cycles the key on any fallback match. Of several requests that a browser sends at once, the first to finish
    then deletes the session under the others, whose answers clear the cookie. Django means it for rotated SECRET_KEYs,
    and that it still does here; a re-hash of the same password is no reason to distrust the session's key.

    A login over an open session, of somebody else or after a password change, leaves that session behind without a
    logout of which Django would tell. The grants that were joined to it end with it all the same.

    A logout at the bridge deletes the session's row. Where that is not all there is to a session (any engine but
    ``db``), the user of a request costs one more query: whether a grant that was joined to the session has ended.
    """

    def process_request(self, request: HttpRequest) -> None:
        """Attach the lazy user."""
        super().process_request(request)
        _note_once_found(request)
        request.user = SimpleLazyObject(partial(_user, request))  # type: ignore[assignment]  # as Django itself
        if hasattr(request, "auser"):  # since Django 5.0
            request.auser = partial(_auser, request)

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """End the grants of the session that the request was found to have, if it has left that behind."""
        former: str | None = getattr(request, "_bridge_session_key", None)
        session: SessionBase | None = getattr(request, "session", None)
        # A key that was only cycled, as for a rotated SECRET_KEY, ends the joined grant too.
        if former and session is not None and session.modified and former != session.session_key:
            name = session_name(type(session)(former))
            if name != session_name(session):
                follow_session(name)
        return response


def _note_once_found(request: HttpRequest) -> None:
    """Note the session's key once the session is loaded: one that is not found loses it, and to expire is no logout."""
    session: Any = request.session
    known: Any = request

    def note() -> None:
        known._bridge_session_key = session.session_key  # noqa: SLF001  # ours

    def load() -> dict[str, Any]:
        found: dict[str, Any] = type(session).load(session)
        note()
        return found

    async def aload() -> dict[str, Any]:  # Django awaits it, since 5.1
        found: dict[str, Any] = await type(session).aload(session)
        note()
        return found

    if hasattr(session, "_session_cache"):  # whoever came before has loaded it
        note()
    else:
        session.load, session.aload = load, aload


def _user(request: HttpRequest) -> Any:
    if not hasattr(request, "_cached_user"):
        with _cycling_deferred(request.session) as wanted:
            user = auth.get_user(request)
        if user.is_authenticated and has_ended(request.session):
            user = _left(request)
        elif wanted and not hasattr(user, ASKED_LINEAGE):
            request.session.cycle_key()
        request._cached_user = user  # type: ignore[attr-defined]  # noqa: SLF001  # the name that Django's own code reads
    return request._cached_user  # type: ignore[attr-defined]  # noqa: SLF001  # likewise


async def _auser(request: HttpRequest) -> Any:
    if not hasattr(request, "_acached_user"):
        with _cycling_deferred(request.session) as wanted:
            user = await auth.aget_user(request)
        if user.is_authenticated and await ahas_ended(request.session):
            user = await sync_to_async(_left)(request)
        elif wanted and not hasattr(user, ASKED_LINEAGE):
            await sync_to_async(request.session.cycle_key)()
        request._acached_user = user  # type: ignore[attr-defined]  # noqa: SLF001  # the name that Django's own code reads
    return request._acached_user  # type: ignore[attr-defined]  # noqa: SLF001  # likewise


def _left(request: HttpRequest) -> AnonymousUser:
    """Let nobody be logged in by a session that has ended elsewhere; what else it was joined to goes on."""
    request.session.flush()
    request._bridge_session_key = None  # type: ignore[attr-defined]  # noqa: SLF001  # ours
    return AnonymousUser()


@contextmanager
def _cycling_deferred(session: SessionBase) -> Iterator[list[bool]]:
    """Note that Django wants the key cycled instead of doing it; whether to is known only once the user is."""
    wanted: list[bool] = []

    def note() -> None:
        wanted.append(True)

    async def anote() -> None:  # Django awaits it
        wanted.append(True)

    session.cycle_key, session.acycle_key = note, anote  # type: ignore[method-assign]
    try:
        yield wanted
    finally:
        del session.cycle_key, session.acycle_key


class BearerTokenMiddleware:
    """Lets ``Authorization: Bearer`` open what a session would. Goes right after the authentication middleware.

    A valid token beats a session cookie and waives the CSRF check, since no browser sends it by itself. A refused one
    leaves the request as it was for views that answer to other schemes (SimpleJWT's tokens of another key, say).
    A token opens nothing from the moment at which it was revoked, its login ended or its user's password changed; one
    of the bridge's that is limited to a scope opens nothing at all, since Django's views know nothing of scopes.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], _Answer]) -> None:
        self._get_response = get_response
        self._verifier = token_verifier()
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> _Answer:
        """Admit the bearer of a valid token, then go on."""
        if self._is_async:
            return self._in_async(request)
        self._admit(request, self._user_of(request))
        return self._get_response(request)

    async def _in_async(self, request: HttpRequest) -> HttpResponseBase:
        if "Authorization" in request.headers:
            self._admit(request, await sync_to_async(self._user_of)(request))
        answer = self._get_response(request)
        return await answer if isinstance(answer, Awaitable) else answer

    def _user_of(self, request: HttpRequest) -> AbstractBaseUser | None:
        token = token_of(request)
        holder = None if token is None else holder_of(token, verifier=self._verifier)
        return None if holder is None else holder.user

    @staticmethod
    def _admit(request: HttpRequest, user: AbstractBaseUser | None) -> None:
        if user is None:
            return

        async def auser() -> AbstractBaseUser:  # Django awaits it
            return user

        request.user = user  # type: ignore[assignment]  # django-stubs wants the concrete user model
        request.auser = auser  # type: ignore[assignment]
        request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]  # noqa: SLF001  # as DRF and Django's own test client do
