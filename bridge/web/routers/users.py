"""The user who is asking."""

from datetime import datetime
from typing import Self

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from bridge.errors import InvalidToken
from bridge.services.accounts import Invalid, Updated
from bridge.store.users import StoredUser
from bridge.web.dependencies import AccountUser, BridgeServices, CurrentUser
from bridge.web.errors import Problem
from bridge.web.routes import BoundedRoute

__all__ = ["UserOut", "router"]

router = APIRouter(
    prefix="/users",
    tags=["users"],
    route_class=BoundedRoute,
    responses={401: {"description": "No valid access token, and no live session"}},
)


class UserOut(BaseModel):
    """A user as they and staff see them."""

    id: int | str
    username: str
    email: str
    first_name: str
    last_name: str
    full_name: str
    disabled: bool
    is_active: bool
    is_staff: bool
    is_superuser: bool
    date_joined: datetime | None
    last_login: datetime | None

    @classmethod
    def of(cls, user: StoredUser) -> Self:
        """Show a user."""
        return cls(
            id=user.key,
            username=user.username,
            email=user.email,
            first_name=user.first_name,
            last_name=user.last_name,
            full_name=f"{user.first_name} {user.last_name}".strip(),
            disabled=not user.is_active,
            is_active=user.is_active,
            is_staff=user.is_staff,
            is_superuser=user.is_superuser,
            date_joined=user.date_joined,
            last_login=user.last_login,
        )


class UserChanges(BaseModel):
    """What a user may change about themselves."""

    model_config = ConfigDict(extra="forbid")

    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None


@router.get("/me/")
async def show_me(user: CurrentUser) -> UserOut:
    """Show the user who is asking."""
    return UserOut.of(user)


@router.patch("/me/", responses={403: {"description": "A session without Django's CSRF token"}})
async def change_me(changes: UserChanges, user: AccountUser, bridge: BridgeServices) -> UserOut:
    """Change one's own address or name; what is left out, or null, stays."""
    outcome = await bridge.accounts.update(user, changes.model_dump(exclude_none=True))
    match outcome:
        case Updated(changed):
            return UserOut.of(changed)
        case Invalid(errors):
            raise Problem(422, code="invalid", detail="The site's rules say no", errors=errors)
        case None:
            raise InvalidToken("no active user")
