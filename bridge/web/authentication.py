"""Who is asking: by an access token of either app, or by the site's session."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Annotated, Final, Generic, TypeVar, cast

from fastapi import Depends, Request
from fastapi.security import OAuth2PasswordBearer, SecurityScopes
from starlette.types import Scope

from bridge.errors import InvalidToken
from bridge.services.identity import Authenticated, AuthenticatedByToken
from bridge.services.sessions import SiteSession
from bridge.sessions.csrf import request_cookies
from bridge.store.users import StoredUser
from bridge.tokens import AccessClaims, is_scope_token
from bridge.web.composition import Bridge, bridge_of
from bridge.web.errors import CHALLENGE, Problem
from bridge.web.forgery import refuse_forgery
from bridge.web.routing.asking import asked_by
from bridge.web.varying import depends_on_cookie

__all__ = [
    "SESSION_SCHEME",
    "BearerClaims",
    "BridgeServices",
    "CurrentLogin",
    "CurrentSession",
    "Entrance",
    "PossibleLogin",
    "TokenBearer",
    "UnlimitedBearer",
    "account_user",
    "bearer_claims",
    "bearer_token",
    "bridge_services",
    "current_login",
    "current_session",
    "current_user",
    "login_of",
    "note_role",
    "optional_user",
    "possible_login",
    "refuse_half_a_login",
    "refuse_limits",
    "role_of",
    "session_cookie",
    "token_bearer",
    "unlimited_bearer",
]

SESSION_SCHEME: Final = "DjangoSession"

_LOGIN: Final = "bridge.login"
_ROLE: Final = "bridge.role"
Found = TypeVar("Found")


class Entrance(OAuth2PasswordBearer, Generic[Found]):
    """A dependency that finds out who is asking; ``Security(…, scopes=[…])`` hands it the scopes to demand.

    FastAPI solves each dependency of a tree by itself, with each request. So it is one for all of it: credentials,
    the user, the refusal. In the document it is OAuth2's password flow, to which ``bridge.web.openapi`` adds the
    session where that does as well.

    Attributes:
        is_demanding: whether it lets nobody pass who does not say who they are.
        takes_session: whether the site's session does as well as a token.
    """

    def __init__(
        self,
        find: Callable[[Request, Sequence[str]], Awaitable[Found]],
        *,
        is_demanding: bool = True,
        takes_session: bool = False,
    ) -> None:
        super().__init__(tokenUrl="auth/token", refreshUrl=None, scheme_name="BearerScheme")
        self._find = find
        self.is_demanding = is_demanding
        self.takes_session = takes_session

    async def __call__(self, request: Request, scopes: SecurityScopes) -> Found:  # type: ignore[override]  # it is more
        """Give who is asking."""
        return await self._find(request, scopes.scopes)


async def bridge_services(request: Request) -> Bridge:
    """Give the running bridge; its parts follow the site profile, so ask anew in each request."""
    return bridge_of(request.app)


BridgeServices = Annotated[Bridge, Depends(bridge_services)]


async def _token_bearer(request: Request, scopes: Sequence[str]) -> AuthenticatedByToken:
    token = bearer_token(request.scope)
    if token is None:
        raise _not_authenticated()
    login = cast("AuthenticatedByToken", await _login(request, token))
    _demand(scopes, login.claims)
    return login


token_bearer: Final = Entrance(_token_bearer)
"""Give the user and the claims of a valid access token of either app."""

TokenBearer = Annotated[AuthenticatedByToken, Depends(token_bearer)]
"""The user and the claims of the token they came with; a session does not do."""


async def _bearer_claims(request: Request, scopes: Sequence[str]) -> AccessClaims:
    token = bearer_token(request.scope)
    if token is None:
        raise _not_authenticated()
    bridge = bridge_of(request.app)
    claims = bridge.identity.claims_of(token)
    _demand(scopes, claims)
    return claims


bearer_claims: Final = Entrance(_bearer_claims)
"""Give the claims of an access token of either app, and ask no database about it."""

BearerClaims = Annotated[AccessClaims, Depends(bearer_claims)]
"""What an access token says, believed until it expires: whether it was revoked, or its user is gone, nobody looks."""


async def _possible_login(request: Request, scopes: Sequence[str]) -> Authenticated | None:
    login = await _login(request, bearer_token(request.scope))
    if login is not None and login.claims is not None:
        _demand(scopes, login.claims)
    return login


async def _current_login(request: Request, scopes: Sequence[str]) -> Authenticated:
    login = await _possible_login(request, scopes)
    if login is None:
        raise _not_authenticated()
    return login


async def _current_session(request: Request, scopes: Sequence[str]) -> SiteSession:
    login = await _current_login(request, scopes)
    if login.session is None:
        raise _not_authenticated()
    return login.session


async def _current_user(request: Request, scopes: Sequence[str]) -> StoredUser:
    return (await _current_login(request, scopes)).user


async def _optional_user(request: Request, scopes: Sequence[str]) -> StoredUser | None:
    login = await _possible_login(request, scopes)
    return None if login is None else login.user


async def _account_user(request: Request, scopes: Sequence[str]) -> StoredUser:
    login = await _current_login(request, scopes)
    refuse_limits(login.claims)
    if login.session is not None:
        await refuse_half_a_login(login.session, bridge_of(request.app))
    return login.user


async def _unlimited_bearer(request: Request, scopes: Sequence[str]) -> AuthenticatedByToken:
    bearer = await _token_bearer(request, scopes)
    refuse_limits(bearer.claims)
    return bearer


possible_login: Final = Entrance(_possible_login, is_demanding=False, takes_session=True)
"""Give who is asking, by token or by session; None for nobody.

A token beats a session: one that is refused is refused, whatever else came with it. Only a session needs Django's
CSRF check, since no browser sends a token by itself.
"""

PossibleLogin = Annotated[Authenticated | None, Depends(possible_login)]
"""Who is asking and how they came in, or None; 401 for a bad token, 403 for a session with a forged request."""

current_login: Final = Entrance(_current_login, takes_session=True)
"""Give who is asking, by token or by session."""

CurrentLogin = Annotated[Authenticated, Depends(current_login)]
"""Who is asking and how they came in; 401 for nobody."""

current_session: Final = Entrance(_current_session, takes_session=True)
"""Give the session of the site that somebody is logged in by; a token does not do."""

CurrentSession = Annotated[SiteSession, Depends(current_session)]
"""The site's session that a request came with; 401 without one."""

unlimited_bearer: Final = Entrance(_unlimited_bearer)
"""Let no token pass that was given out for some scope only."""

UnlimitedBearer = Annotated[AuthenticatedByToken, Depends(unlimited_bearer)]
"""``TokenBearer`` for what is the users' own business, and not that of an application which they lent a scope to."""

current_user: Final = Entrance(_current_user, takes_session=True)
"""Give the active user who is asking."""

account_user: Final = Entrance(_account_user, takes_session=True)
"""Give the user who is asking: no application that they lent a scope to, nor who has yet to give a second factor."""

optional_user: Final = Entrance(_optional_user, is_demanding=False, takes_session=True)
"""Give the active user who is asking, or None where nobody says who they are.

A token that is expired, revoked or otherwise not to be believed is refused here as everywhere (RFC 6750 section
3.1). Taken for no token, it would get its client what strangers see, with a 200: the client would never learn to
refresh it, and its user would miss what is theirs without a word. A stale session cookie is what browsers have,
and as good as none, as in Django.
"""


def bearer_token(scope: Scope) -> str | None:
    """Read ``Authorization: Bearer`` strictly (RFC 6750 section 2.1); None without one.

    Raises:
        InvalidToken: there is something else in its place, or it stands there twice.
    """
    given = [value for name, value in scope["headers"] if name == b"authorization"]
    scheme, _, token = given[0].decode("latin-1").partition(" ") if given else ("", "", "")
    if scheme.lower() != "bearer":
        return None
    token = token.lstrip(" ")  # RFC 9110 section 11.4 has one space or more, and Django takes them
    if len(given) > 1 or not token or " " in token:
        raise InvalidToken("malformed")
    return token


def login_of(request: Request) -> Authenticated | None:
    """Give who was found to be asking before in this request; None where nobody was, or nobody looked."""
    login: Authenticated | None = request.scope.get(_LOGIN)
    return login


def note_role(scope: Scope, role: str) -> None:
    """Note what kind of user asks, found out for another reason than to answer them."""
    scope[_ROLE] = role


def role_of(scope: Scope, *, session_cookie: str | None = None) -> str:
    """Name the kind of user that asked, in a request that an app is done with.

    ``unknown`` where nobody looked who it was, or was refused, though the request carried something to tell by: a
    token, or the session's cookie, which may be any where its name is not given.
    """
    if _LOGIN in scope:
        login: Authenticated | None = scope[_LOGIN]
        if login is None:
            return "anonymous"
        return login.user.role
    role: str | None = scope.get(_ROLE)
    return role or ("unknown" if _can_be_told(scope["headers"], session_cookie) else "anonymous")


def _can_be_told(headers: Iterable[tuple[bytes, bytes]], session_cookie: str | None) -> bool:
    names = {name for name, _ in headers}
    if b"authorization" in names or b"cookie" not in names:
        return b"authorization" in names
    return session_cookie is None or session_cookie in request_cookies(headers)


async def _login(request: Request, token: str | None) -> Authenticated | None:
    scope = request.scope
    # An endpoint may reach several entrances, and each with several sets of scopes; the user is read once.
    if _LOGIN in scope:
        return login_of(request)
    bridge = bridge_of(request.app)
    if token is not None:
        login: Authenticated | None = await bridge.identity.of_token(token, asked=asked_by(request))
    else:
        login = await _login_by_session(request, bridge)
    scope[_LOGIN] = login
    return login


def session_cookie(request: Request, bridge: Bridge) -> str | None:
    """Give the cookie of the site's session, of two the last, as Django does; None without one."""
    depends_on_cookie(request)
    return request_cookies(request.scope["headers"]).get(bridge.session_cookie)


async def _login_by_session(request: Request, bridge: Bridge) -> Authenticated | None:
    cookie = session_cookie(request, bridge)
    login = None if cookie is None else await bridge.identity.of_session(cookie, asked=asked_by(request))
    if login is not None and login.session is not None:
        await refuse_forgery(request, session=login.session, rules=bridge.csrf_rules)
    return login


def refuse_limits(claims: AccessClaims | None) -> None:
    """Refuse a token that is limited to some scope, whichever.

    Raises:
        Problem: 403 ``insufficient_scope``.
    """
    if claims is not None and claims.is_scoped:
        raise _insufficient(())


async def refuse_half_a_login(session: SiteSession, bridge: Bridge) -> None:
    """Refuse a session that the site opened before its user gave a second factor, as django-otp does.

    Raises:
        Problem: 401 ``mfa_required``.
    """
    if await bridge.second_factors.is_outstanding(session):
        detail = "The session lacks the second factor of its user; give it at the site"
        raise Problem(401, code="mfa_required", detail=detail)


def _demand(scopes: Sequence[str], claims: AccessClaims) -> None:
    """Let a token pass that carries every scope, or is limited to none (RFC 6750 section 3.1)."""
    if not claims.is_scoped or set(scopes) <= set(claims.scope):
        return
    raise _insufficient(scopes)


def _insufficient(scopes: Sequence[str]) -> Problem:
    challenge = 'Bearer error="insufficient_scope"'
    if scopes and all(map(is_scope_token, scopes)):
        challenge += f', scope="{" ".join(scopes)}"'
    return Problem(
        403,
        code="insufficient_scope",
        detail="The token was not given out for this",
        headers={"WWW-Authenticate": challenge},
    )


def _not_authenticated() -> Problem:
    return Problem(401, code="not_authenticated", detail="Not authenticated", headers=CHALLENGE)
