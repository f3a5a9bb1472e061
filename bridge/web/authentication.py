"""Who is asking: by an access token of either app, or by the site's session."""

import re
from collections.abc import Sequence
from typing import Annotated, Final, cast

from fastapi import Depends, Request
from fastapi.security import APIKeyCookie, OAuth2PasswordBearer, SecurityScopes
from starlette.requests import HTTPConnection
from starlette.types import Scope

from bridge.errors import InvalidToken
from bridge.services.identity import Authenticated, AuthenticatedByToken
from bridge.services.sessions import SiteSession
from bridge.sessions.csrf import request_cookies
from bridge.tokens import AccessClaims
from bridge.web.asking import asked_by
from bridge.web.composition import Bridge
from bridge.web.errors import Problem
from bridge.web.forgery import refuse_forgery
from bridge.web.varying import depends_on_cookie

__all__ = [
    "SESSION_SCHEME",
    "BridgeServices",
    "CurrentLogin",
    "CurrentSession",
    "PossibleCookie",
    "PossibleLogin",
    "PossibleToken",
    "TokenBearer",
    "UnlimitedBearer",
    "bridge_services",
    "current_login",
    "current_session",
    "login_of",
    "possible_login",
    "refuse_limits",
    "role_of",
    "token_bearer",
    "unlimited_bearer",
]

SESSION_SCHEME: Final = "DjangoSession"

_UNAUTHENTICATED: Final = {"WWW-Authenticate": "Bearer"}
_LOGIN: Final = "bridge.login"
_CREDENTIALS: Final = (b"authorization", b"cookie")
_SCOPE_TOKEN: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749 section 3.3


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


_bearer: Final = PossibleBearerScheme(tokenUrl="auth/token", refreshUrl=None, scheme_name="BearerScheme")
_session_cookie: Final = SessionCookieScheme(
    name="sessionid", scheme_name=SESSION_SCHEME, description="The Django site's session; see CSRF for unsafe methods."
)


def bridge_services(request: Request) -> Bridge:
    """Give the running bridge; its parts follow the site profile, so ask anew in each request."""
    bridge: Bridge = request.app.state.bridge
    return bridge


BridgeServices = Annotated[Bridge, Depends(bridge_services)]
PossibleToken = Annotated[str | None, Depends(_bearer)]
PossibleCookie = Annotated[str | None, Depends(_session_cookie)]


async def token_bearer(
    request: Request, bridge: BridgeServices, scopes: SecurityScopes, token: PossibleToken
) -> AuthenticatedByToken:
    """Give the user and the claims of a valid access token of either app."""
    if token is None:
        raise _not_authenticated()
    login = cast("AuthenticatedByToken", await _login(request, bridge, token, cookie=None))
    _demand(scopes.scopes, login.claims)
    return login


TokenBearer = Annotated[AuthenticatedByToken, Depends(token_bearer)]
"""The user and the claims of the token they came with; a session does not do."""


async def possible_login(
    request: Request, bridge: BridgeServices, scopes: SecurityScopes, token: PossibleToken, cookie: PossibleCookie
) -> Authenticated | None:
    """Give who is asking, by token or by session; None for nobody.

    A token beats a session: one that is refused is refused, whatever else came with it. Only a session needs Django's
    CSRF check, since no browser sends a token by itself.
    """
    login = await _login(request, bridge, token, cookie=cookie)
    if login is not None and login.claims is not None:
        _demand(scopes.scopes, login.claims)
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


async def current_session(login: CurrentLogin) -> SiteSession:
    """Give the session of the site that somebody is logged in by; a token does not do."""
    if login.session is None:
        raise _not_authenticated()
    return login.session


CurrentSession = Annotated[SiteSession, Depends(current_session)]
"""The site's session that a request came with; 401 without one."""


async def unlimited_bearer(bearer: TokenBearer) -> AuthenticatedByToken:
    """Let no token pass that was given out for some scope only."""
    refuse_limits(bearer.claims)
    return bearer


UnlimitedBearer = Annotated[AuthenticatedByToken, Depends(unlimited_bearer)]
"""``TokenBearer`` for what is the users' own business, and not that of an application which they lent a scope to."""


def login_of(request: Request) -> Authenticated | None:
    """Give who was found to be asking before in this request; None where nobody was, or nobody looked."""
    login: Authenticated | None = request.scope.get(_LOGIN)
    return login


def role_of(scope: Scope) -> str:
    """Name the kind of user that asked, in a request that an app is done with.

    ``unknown`` where nobody looked who it was, or was refused, though the request carried something to tell by.
    """
    if _LOGIN in scope:
        login: Authenticated | None = scope[_LOGIN]
        if login is None:
            return "anonymous"
        return "superuser" if login.user.is_superuser else "staff" if login.user.is_staff else "user"
    return "unknown" if any(name in _CREDENTIALS for name, _ in scope["headers"]) else "anonymous"


async def _login(request: Request, bridge: Bridge, token: str | None, *, cookie: str | None) -> Authenticated | None:
    # FastAPI calls a dependency once for each set of scopes that it is reached with; the user is read once.
    known = login_of(request)
    if known is not None:
        return known
    asked = asked_by(request)
    if token is not None:
        login: Authenticated | None = await bridge.identity.of_token(token, asked=asked)
    else:
        login = None if cookie is None else await bridge.identity.of_session(cookie, asked=asked)
        if login is not None and login.session is not None:
            await refuse_forgery(request, session=login.session, rules=bridge.csrf_rules)
    request.scope[_LOGIN] = login
    return login


def refuse_limits(claims: AccessClaims | None) -> None:
    """Refuse a token that is limited to some scope, whichever.

    Raises:
        Problem: 403 ``insufficient_scope``.
    """
    if claims is not None and claims.is_scoped:
        raise _insufficient(())


def _demand(scopes: Sequence[str], claims: AccessClaims) -> None:
    """Let a token pass that carries every scope, or is limited to none (RFC 6750 section 3.1)."""
    if not claims.is_scoped or set(scopes) <= set(claims.scope):
        return
    raise _insufficient(scopes)


def _insufficient(scopes: Sequence[str]) -> Problem:
    challenge = 'Bearer error="insufficient_scope"'
    if scopes and all(_SCOPE_TOKEN.fullmatch(scope) for scope in scopes):
        challenge += f', scope="{" ".join(scopes)}"'
    return Problem(
        403,
        code="insufficient_scope",
        detail="The token was not given out for this",
        headers={"WWW-Authenticate": challenge},
    )


def _not_authenticated() -> Problem:
    return Problem(401, code="not_authenticated", detail="Not authenticated", headers=_UNAUTHENTICATED)
