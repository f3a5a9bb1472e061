"""What migrated endpoints import."""

from typing import Annotated, Final

from fastapi import Depends, Request
from fastapi.security import OAuth2PasswordBearer
from starlette.requests import HTTPConnection

from bridge.errors import InvalidToken
from bridge.services.identity import Authenticated
from bridge.store.database import Database
from bridge.store.users import StoredUser
from bridge.web.composition import Bridge
from bridge.web.errors import Problem

__all__ = ["BridgeServices", "CurrentUser", "SiteDatabase", "StaffUser", "TokenBearer"]

_UNAUTHENTICATED: Final = {"WWW-Authenticate": "Bearer"}


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


_bearer = BearerScheme(tokenUrl="auth/token", refreshUrl=None)


def bridge_services(request: Request) -> Bridge:
    """Give the running bridge; its parts follow the site profile, so ask anew in each request."""
    bridge: Bridge = request.app.state.bridge
    return bridge


BridgeServices = Annotated[Bridge, Depends(bridge_services)]


async def token_bearer(bridge: BridgeServices, token: Annotated[str, Depends(_bearer)]) -> Authenticated:
    """Give the user and the claims of a valid access token of either app."""
    return await bridge.identity.of_token(token)


TokenBearer = Annotated[Authenticated, Depends(token_bearer)]
"""The user and the claims of the token they came with."""


async def current_user(bearer: TokenBearer) -> StoredUser:
    """Give the active user who is asking."""
    return bearer.user


CurrentUser = Annotated[StoredUser, Depends(current_user)]
"""The active user who is asking; 401 without one."""


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
