"""What migrated endpoints import."""

from typing import Annotated, Final

from fastapi import Depends, Request
from fastapi.security import APIKeyCookie, OAuth2PasswordBearer
from starlette.requests import HTTPConnection

from bridge.errors import InvalidToken
from bridge.services.identity import Authenticated, AuthenticatedByToken
from bridge.sessions.csrf import request_cookies
from bridge.store.database import Database
from bridge.store.users import StoredUser
from bridge.web.composition import Bridge
from bridge.web.errors import Problem
from bridge.web.forgery import refuse_forgery
from bridge.web.varying import depends_on_cookie

__all__ = [
    "SESSION_SCHEME",
    "BridgeServices",
    "CurrentLogin",
    "CurrentUser",
    "PossibleLogin",
    "SiteDatabase",
    "StaffUser",
    "TokenBearer",
]

SESSION_SCHEME: Final = "DjangoSession"

_UNAUTHENTICATED: Final = {"WWW-Authenticate": "Bearer"}


class PossibleBearerScheme(OAuth2PasswordBearer):
    """OAuth2's password flow for ``/docs``; reads ``Authorization: Bearer`` strictly (RFC 6750 section 2.1)."""

    async def __call__(self, request: HTTPConnection) -> str | None:
        """Give the token, or None without one.

        Raises:
            InvalidToken: there is something else in its place, or it stands there twice.
        """
        given = request.headers.getlist("authorization")
        scheme, _, token = (given[0] if given else "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        if len(given) > 1 or not token or " " in token:
            raise InvalidToken("malformed")
        return token


class SessionCookieScheme(APIKeyCookie):
    """The site's session cookie, by the name that its profile gives."""

    async def __call__(self, request: HTTPConnection) -> str | None:
        """Give its value, or None without one; of two of that name the last, as Django does."""
        depends_on_cookie(request)
        bridge: Bridge = request.app.state.bridge
        return request_cookies(request.scope["headers"]).get(bridge.session_cookie)


_bearer = PossibleBearerScheme(tokenUrl="auth/token", refreshUrl=None, scheme_name="BearerScheme")
_session_cookie = SessionCookieScheme(
    name="sessionid", scheme_name=SESSION_SCHEME, description="The Django site's session; see CSRF for unsafe methods."
)


def bridge_services(request: Request) -> Bridge:
    """Give the running bridge; its parts follow the site profile, so ask anew in each request."""
    bridge: Bridge = request.app.state.bridge
    return bridge


BridgeServices = Annotated[Bridge, Depends(bridge_services)]


PossibleToken = Annotated[str | None, Depends(_bearer)]


async def token_bearer(bridge: BridgeServices, token: PossibleToken) -> AuthenticatedByToken:
    """Give the user and the claims of a valid access token of either app."""
    if token is None:
        raise _not_authenticated()
    return await bridge.identity.of_token(token)


TokenBearer = Annotated[AuthenticatedByToken, Depends(token_bearer)]
"""The user and the claims of the token they came with; a session does not do."""


async def possible_login(
    request: Request,
    bridge: BridgeServices,
    token: PossibleToken,
    cookie: Annotated[str | None, Depends(_session_cookie)],
) -> Authenticated | None:
    """Give who is asking, by token or by session; None for nobody.

    A token beats a session: one that is refused is refused, whatever else came with it. Only a session needs Django's
    CSRF check, since no browser sends a token by itself.
    """
    if token is not None:
        return await bridge.identity.of_token(token)
    login = None if cookie is None else await bridge.identity.of_session(cookie)
    if login is not None:
        await refuse_forgery(request, login=login, rules=bridge.csrf_rules)
    return login


PossibleLogin = Annotated[Authenticated | None, Depends(possible_login)]
"""Who is asking and how they came in, or None; 401 for a bad token, 403 for a session with a forged request."""


async def current_login(login: PossibleLogin) -> Authenticated:
    """Give who is asking, by token or by session."""
    if login is None:
        raise _not_authenticated()
    return login


CurrentLogin = Annotated[Authenticated, Depends(current_login)]
"""Who is asking and how they came in; 401 for nobody."""


async def current_user(login: CurrentLogin) -> StoredUser:
    """Give the active user who is asking."""
    return login.user


CurrentUser = Annotated[StoredUser, Depends(current_user)]
"""The active user who is asking, by access token or by the site's session cookie; 401 without one."""


async def staff_user(user: CurrentUser) -> StoredUser:
    """Let only staff pass (``django.contrib.admin.views.decorators.staff_member_required``)."""
    if not user.is_staff:
        raise Problem(403, code="staff_only", detail="Staff only")
    return user


StaffUser = Annotated[StoredUser, Depends(staff_user)]
"""A member of staff; 401 without a user, 403 for anybody else."""


def site_database(bridge: BridgeServices) -> Database:
    """Give the database that is shared with the site."""
    return bridge.database


SiteDatabase = Annotated[Database, Depends(site_database)]
"""The shared database, for a migrated endpoint's own statements."""


def _not_authenticated() -> Problem:
    return Problem(401, code="not_authenticated", detail="Not authenticated", headers=_UNAUTHENTICATED)
