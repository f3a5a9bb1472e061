"""The one answer that gives tokens, wherever they are asked for."""

from typing import Any, Final, Literal

from fastapi import Request, Response
from pydantic import BaseModel, Field

from bridge.services.refreshing import RefreshRefused
from bridge.services.token_pairs import Granted
from bridge.web.admission import client_of
from bridge.web.composition import Bridge
from bridge.web.credentials import RefreshRequest
from bridge.web.errors import CHALLENGE, NO_STORE, Problem
from bridge.web.limiting import trying

__all__ = ["TOKEN_ANSWERS", "TokenOut", "device_of", "refreshed", "token_answer"]

TOKEN_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    400: {"description": "Malformed request (RFC 6749 section 5.2)"},
    401: {
        "description": "`invalid_grant`: incorrect username or password, or a refresh token that is spent, revoked or"
        " expired; `mfa_required`: go on with `/auth/mfa`"
    },
    413: {"description": "Body too large"},
    429: {"description": "Too many failed attempts"},
    503: {"description": "No hashing capacity, or no database"},
}


class TokenOut(BaseModel):
    """RFC 6749 section 5.1."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105  # RFC 6750
    expires_in: int = Field(description="Seconds")
    refresh_token: str | None = Field(
        default=None, description="Missing only where the database could not keep the login"
    )
    scope: str = ""


def token_answer(granted: Granted, response: Response) -> TokenOut:
    """Give tokens, which no cache may keep (RFC 6749 section 5.1)."""
    response.headers.update(NO_STORE)
    return TokenOut(
        access_token=granted.access_token,
        expires_in=int(granted.expires_in.total_seconds()),
        refresh_token=granted.refresh_token,
        scope=" ".join(granted.scope),
    )


async def refreshed(bridge: Bridge, asked: RefreshRequest, request: Request, response: Response) -> TokenOut:
    """Exchange a refresh token.

    Raises:
        Problem: 401 ``invalid_grant``.
    """
    client = client_of(request)
    async with trying(bridge, bridge.limits.token(client), client=client):
        outcome = await bridge.refreshing.refresh(asked.token, scope=asked.scope, device=device_of(request))
        if isinstance(outcome, RefreshRefused):
            detail = "The refresh token is spent, revoked or expired"
            raise Problem(401, code="invalid_grant", detail=detail, headers=CHALLENGE)
    return token_answer(outcome, response)


def device_of(request: Request) -> str:
    """Say what the client calls itself."""
    return request.headers.get("user-agent", "")
