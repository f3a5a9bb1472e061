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

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request

from bridge.services.permissions import Permissions
from bridge.store.database import Database
from bridge.store.rights import Rights
from bridge.store.users import StoredUser
from bridge.web.authentication import (
    BearerClaims,
    BridgeServices,
    CurrentLogin,
    PossibleLogin,
    TokenBearer,
    account_user,
    current_user,
    login_of,
    optional_user,
)
from bridge.web.composition import bridge_of
from bridge.web.errors import Problem
from bridge.web.routing.asking import Asking

__all__ = [
    "AccountUser",
    "BearerClaims",
    "BridgeServices",
    "CurrentLogin",
    "CurrentUser",
    "OptionalUser",
    "PossibleLogin",
    "SiteDatabase",
    "SitePermissions",
    "StaffUser",
    "StoredUser",
    "SuperUser",
    "TokenBearer",
    "account_user",
    "current_user",
    "optional_user",
    "require_group",
    "require_permission",
    "staff_user",
    "super_user",
]

# Who is asking --------------------------------------------------------------------------------------------------------


CurrentUser = Annotated[StoredUser, Depends(current_user)]
"""The active user who is asking, by access token or by the site's session cookie; 401 without one."""


AccountUser = Annotated[StoredUser, Depends(account_user)]
"""``CurrentUser`` for what is the users' own business.

403 for a token that is limited to some scope; 401 ``mfa_required`` for a session of the site that was opened before its
user gave a second factor.
"""


OptionalUser = Annotated[StoredUser | None, Depends(optional_user)]
"""The active user who is asking, None without credentials; 401 with an invalid token."""


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

    async def __call__(self, request: Request, user: CurrentUser) -> StoredUser:
        """Give the user.

        Raises:
            Problem: 403, they lack something.
        """
        known = login_of(request)
        if known is not None and known.user is user and self.asked <= known.asked:
            held = known.held
        else:  # current_user was overridden, or the route was not looked through
            bridge = bridge_of(request.app)
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


async def site_permissions(bridge: BridgeServices) -> Permissions:
    """Give what looks up permissions and groups while an endpoint runs."""
    return bridge.permissions


SitePermissions = Annotated[Permissions, Depends(site_permissions)]
"""For permissions that an endpoint finds out about as it runs: ``await permissions.of(user, "shop.view_order")``."""


# The site's data ------------------------------------------------------------------------------------------------------


async def site_database(bridge: BridgeServices) -> Database:
    """Give the database that is shared with the site."""
    return bridge.database


SiteDatabase = Annotated[Database, Depends(site_database)]
"""The shared database, for a migrated endpoint's own statements."""
