"""What migrated endpoints import.

Who may call an endpoint is said in its signature, ``user: CurrentUser`` or ``user: Annotated[StoredUser,
require_permission("shop.change_order")]``, or on it and on routers, ``dependencies=[require_group("editors")]``. All
of it, that of the routers above the endpoint too, is read from Django's tables together with the user, in one statement
and anew in each request.

Scopes limit tokens, not users: ``Security(current_user, scopes=["orders:read"])`` lets a token pass that carries every
one of these scopes, and any token that was given out without a scope, as a first-party login's and the site's own are.
Such a token, like a session of the site, stands for the user and not for an application that they lent a part of their
rights to. Endpoints that name no scopes are open to tokens of any.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Depends, Request
from fastapi.security import OAuth2PasswordBearer, SecurityScopes
from starlette.requests import HTTPConnection

from bridge.errors import InvalidToken
from bridge.services.identity import Authenticated
from bridge.services.permissions import Permissions
from bridge.store.database import Database
from bridge.store.rights import Rights
from bridge.store.users import StoredUser
from bridge.tokens import AccessClaims
from bridge.web.asking import Asking, asked_by
from bridge.web.composition import Bridge
from bridge.web.errors import Problem

__all__ = [
    "BridgeServices",
    "CurrentUser",
    "OptionalUser",
    "SiteDatabase",
    "SitePermissions",
    "StaffUser",
    "StoredUser",
    "SuperUser",
    "TokenBearer",
    "current_user",
    "optional_user",
    "require_group",
    "require_permission",
    "staff_user",
    "super_user",
]

_UNAUTHENTICATED: Final = {"WWW-Authenticate": "Bearer"}
_AUTHENTICATED: Final = "bridge.authenticated"
_SCOPE_TOKEN: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749 section 3.3


class BearerScheme(OAuth2PasswordBearer):
    """OAuth2's password flow for ``/docs``; reads ``Authorization: Bearer`` strictly (RFC 6750 section 2.1)."""

    async def __call__(self, request: HTTPConnection) -> str:
        """Give the token.

        Raises:
            Problem: 401, there is none.
            InvalidToken: there is something else in its place, or it stands there twice.
        """
        given = request.headers.getlist("authorization")
        scheme, _, token = (given[0] if given else "").partition(" ")
        if scheme.lower() != "bearer":
            raise Problem(401, code="not_authenticated", detail="Not authenticated", headers=_UNAUTHENTICATED)
        if len(given) > 1 or not token or " " in token:
            raise InvalidToken("malformed")
        return token


class OptionalBearerScheme(BearerScheme):
    """The same, where a request may come without."""

    async def __call__(self, request: HTTPConnection) -> str | None:  # type: ignore[override]  # None says: there is none
        """Give the token, or None.

        Raises:
            InvalidToken: there is something else in its place, or it stands there twice.
        """
        try:
            return await super().__call__(request)
        except Problem:
            return None


bearer_scheme: Final = BearerScheme(tokenUrl="auth/token", refreshUrl=None)
optional_bearer_scheme: Final = OptionalBearerScheme(
    tokenUrl="auth/token", refreshUrl=None, scheme_name=BearerScheme.__name__
)


def bridge_services(request: Request) -> Bridge:
    """Give the running bridge; its parts follow the site profile, so ask anew in each request."""
    bridge: Bridge = request.app.state.bridge
    return bridge


BridgeServices = Annotated[Bridge, Depends(bridge_services)]


# Who is asking --------------------------------------------------------------------------------------------------------


async def token_bearer(
    request: Request, bridge: BridgeServices, scopes: SecurityScopes, token: Annotated[str, Depends(bearer_scheme)]
) -> Authenticated:
    """Give the user and the claims of a valid access token of either app."""
    return await _authenticated(request, bridge, token, scopes.scopes)


TokenBearer = Annotated[Authenticated, Depends(token_bearer)]
"""The user and the claims of the token they came with."""


async def current_user(bearer: TokenBearer) -> StoredUser:
    """Give the active user who is asking."""
    return bearer.user


CurrentUser = Annotated[StoredUser, Depends(current_user)]
"""The active user who is asking; 401 without one."""


async def optional_user(
    request: Request,
    bridge: BridgeServices,
    scopes: SecurityScopes,
    token: Annotated[str | None, Depends(optional_bearer_scheme)],
) -> StoredUser | None:
    """Give the active user who is asking, or None where nobody says who they are.

    A token that is expired, revoked or otherwise not to be believed is refused here as everywhere (RFC 6750 section
    3.1). Taken for no token, it would get its client what strangers see, with a 200: the client would never learn to
    refresh it, and its user would miss what is theirs without a word.
    """
    return None if token is None else (await _authenticated(request, bridge, token, scopes.scopes)).user


OptionalUser = Annotated[StoredUser | None, Depends(optional_user)]
"""The active user who is asking, None without credentials; 401 with invalid ones."""


async def _authenticated(request: Request, bridge: Bridge, token: str, scopes: Sequence[str]) -> Authenticated:
    # FastAPI calls a dependency once for each set of scopes that it is reached with; the user is read once.
    known: Authenticated | None = request.scope.get(_AUTHENTICATED)
    if known is None:
        known = request.scope[_AUTHENTICATED] = await bridge.identity.of_token(token, asked=asked_by(request))
    _demand(scopes, known.claims)
    return known


def _demand(scopes: Sequence[str], claims: AccessClaims) -> None:
    """Let a token pass that carries every scope, or is limited to none (RFC 6750 section 3.1)."""
    if not claims.is_scoped or set(scopes) <= set(claims.scope):
        return
    challenge = 'Bearer error="insufficient_scope"'
    if all(_SCOPE_TOKEN.fullmatch(scope) for scope in scopes):
        challenge += f', scope="{" ".join(scopes)}"'
    raise Problem(
        403,
        code="insufficient_scope",
        detail="The token was not given out for this",
        headers={"WWW-Authenticate": challenge},
    )


# What they may do -----------------------------------------------------------------------------------------------------


async def staff_user(user: CurrentUser) -> StoredUser:
    """Let only staff pass (``django.contrib.admin.views.decorators.staff_member_required``)."""
    if not user.is_staff:
        raise Problem(403, code="staff_only", detail="Staff only")
    return user


StaffUser = Annotated[StoredUser, Depends(staff_user)]
"""A member of staff; 401 without a user, 403 for anybody else."""


async def super_user(user: CurrentUser) -> StoredUser:
    """Let only superusers pass."""
    if not user.is_superuser:
        raise Problem(403, code="superuser_only", detail="Superusers only")
    return user


SuperUser = Annotated[StoredUser, Depends(super_user)]
"""A superuser; 401 without a user, 403 for anybody else."""


@dataclass(frozen=True, slots=True)
class Requirement(Asking):
    """A dependency that lets only users pass who hold all that it asks for.

    Attributes:
        code: of the refusal.
        detail: likewise.
    """

    code: str
    detail: str

    async def __call__(self, request: Request, bridge: BridgeServices, user: CurrentUser) -> StoredUser:
        """Give the user.

        Raises:
            Problem: 403, they lack something.
        """
        known: Authenticated | None = request.scope.get(_AUTHENTICATED)
        if known is not None and known.user is user and self.asked <= known.asked:
            held = known.held
        else:  # current_user was overridden, or the route was not looked through
            held = await bridge.permissions.held(user, self.asked)
        if not self.asked <= held:
            raise Problem(403, code=self.code, detail=self.detail)
        return user


def require_permission(*names: str) -> Any:
    """Let only users pass who hold every one of these permissions, as ``user.has_perms`` has it.

    Superusers hold all permissions; others those of their own and those of their groups, as Django's tables say at
    this moment. Goes into ``dependencies=[…]`` of endpoints and routers, and into ``Annotated[StoredUser, …]``. The
    answer to anybody else is 403, ``permission_denied``.

    Args:
        names: as ``app_label.codename``.

    Raises:
        TypeError: there is none, or it is no text.
        ValueError: one is no permission's name.
    """
    if not names:
        raise TypeError("require_permission() needs the permission's name")
    asked = Rights(permissions=frozenset(names))
    return Depends(Requirement(asked, "permission_denied", "You do not have the permission that this needs"))


def require_group(*names: str) -> Any:
    """Let only users pass who are in every one of these groups.

    Superusers are no exception: Django, too, lists them only in groups that they were put into. Goes where
    ``require_permission`` does; the answer to anybody else is 403, ``group_required``.

    Raises:
        TypeError: there is none, or it is no text.
        ValueError: one is no group's name.
    """
    if not names:
        raise TypeError("require_group() needs the group's name")
    asked = Rights(groups=frozenset(names))
    return Depends(Requirement(asked, "group_required", "You are not in the group that this needs"))


def site_permissions(bridge: BridgeServices) -> Permissions:
    """Give what looks up permissions and groups while an endpoint runs."""
    return bridge.permissions


SitePermissions = Annotated[Permissions, Depends(site_permissions)]
"""For permissions that an endpoint finds out about as it runs: ``await permissions.of(user, "shop.view_order")``."""


# The site's data ------------------------------------------------------------------------------------------------------


def site_database(bridge: BridgeServices) -> Database:
    """Give the database that is shared with the site."""
    return bridge.database


SiteDatabase = Annotated[Database, Depends(site_database)]
"""The shared database, for a migrated endpoint's own statements."""
