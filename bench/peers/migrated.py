"""Two migrated endpoints, as a team writes them: for a live user, and for what a token says."""

from fastapi import APIRouter

from bench.peers.body import SOMEBODY, Profile
from bridge.web.dependencies import BearerClaims, CurrentUser

__all__ = ["router"]

router = APIRouter()


@router.get("/profile/")
async def show_me(user: CurrentUser) -> Profile:
    """Show the user who is asking."""
    return Profile(
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


@router.get("/stateless/")
async def show_bearer(claims: BearerClaims) -> Profile:
    """Show whom the token names, and of the rest what the bare FastAPI shows."""
    return Profile(id=int(claims.user_id), **SOMEBODY)
