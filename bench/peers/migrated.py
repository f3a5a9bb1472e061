"""An endpoint of the bridge that believes a token's claims, and asks no database."""

from fastapi import APIRouter

from bench.peers.body import SOMEBODY, Profile
from bridge.web.dependencies import BearerClaims

__all__ = ["router"]

router = APIRouter()


@router.get("/stateless/")
async def show_bearer(claims: BearerClaims) -> Profile:
    """Show whom the token names, and of the rest what the bare FastAPI shows."""
    return Profile(id=int(claims.user_id), **SOMEBODY)
