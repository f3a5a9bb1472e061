"""What follows a login: refresh, logout, revocation, introspection, and the list of one's own grants."""

import base64
import binascii
import hmac
from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from bridge.services.client import Client
from bridge.services.recording import Event
from bridge.tokens import RefreshClaims, TokenClaims
from bridge.web.admission import client_of
from bridge.web.answers import TOKEN_ANSWERS, TokenOut, device_of, refreshed, token_answer
from bridge.web.authentication import CurrentSession, UnlimitedBearer, refuse_half_a_login
from bridge.web.composition import Bridge
from bridge.web.credentials import REFRESH_BODY, SHOWN_TOKEN_BODY, refresh_from_json, shown_token
from bridge.web.dependencies import BridgeServices, TokenBearer
from bridge.web.errors import Problem
from bridge.web.limiting import trying
from bridge.web.routes import BoundedRoute, OAuthRoute

__all__ = ["router"]

_NO_TOKEN: Final[dict[int | str, dict[str, Any]]] = {401: {"description": "No valid access token"}}
_MALFORMED: Final[dict[int | str, dict[str, Any]]] = {
    400: {"description": "Malformed request (RFC 6749 section 5.2)"},
    413: {"description": "Body too large"},
}

_oauth = APIRouter(route_class=OAuthRoute)
_own = APIRouter(route_class=BoundedRoute)


class GrantOut(BaseModel):
    """One of the user's own logins."""

    id: str
    device: str = Field(description="What the client called itself")
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    current: bool = Field(description="Whether this request came with a token of it")


class Introspected(BaseModel):
    """RFC 7662 section 2.2."""

    active: bool
    token_type: str | None = None
    scope: str | None = None
    username: str | None = None
    sub: str | None = None
    jti: str | None = None
    sid: str | None = None
    exp: int | None = None
    iat: int | None = None


@_oauth.post("/refresh", openapi_extra=REFRESH_BODY, responses=TOKEN_ANSWERS)
async def refresh(request: Request, response: Response, bridge: BridgeServices) -> TokenOut:
    """Exchange a refresh token, once, for a new pair. One that comes back later ends the whole login."""
    return await refreshed(bridge, await refresh_from_json(request), request, response)


@_oauth.post("/revoke", response_class=Response, openapi_extra=SHOWN_TOKEN_BODY, responses=_MALFORMED)
async def revoke(request: Request, bridge: BridgeServices) -> Response:
    """Take back a token that one holds (RFC 7009): an access token, or a refresh token with its whole login."""
    claims = await bridge.ending.revoke(await shown_token(request))
    if claims is not None:
        kind = "refresh" if isinstance(claims, RefreshClaims) else "access"
        bridge.recorder.record(Event.TOKEN_REVOKED, user_id=claims.user_id, reason=kind, client=client_of(request))
    return Response(headers={"Cache-Control": "no-store"})


@_oauth.post(
    "/introspect",
    openapi_extra=SHOWN_TOKEN_BODY,
    response_model_exclude_none=True,
    responses=_MALFORMED
    | {401: {"description": "Not one of BRIDGE_INTROSPECTION_CLIENTS"}, 429: {"description": "Too many refusals"}},
)
async def introspect(request: Request, response: Response, bridge: BridgeServices) -> Introspected:
    """Say what a token is worth right now (RFC 7662), to the clients that the operator has named."""
    client = client_of(request)
    async with trying(bridge, bridge.limits.token(client), client=client):
        await _admit(request, bridge, client)
    found = await bridge.introspection.of(await shown_token(request))
    response.headers["Cache-Control"] = "no-store"
    return Introspected(active=False) if found is None else _introspected(*found)


@_own.post(
    "/session",
    responses={
        401: {
            "description": "No session of the site, one that lacks the user's second factor (`mfa_required`), or one"
            " in a signed cookie of a login before the app was there (`login_required`)"
        },
        403: {"description": "`csrf_failed`: not from a page of the site"},
    },
)
async def exchange_session(
    session: CurrentSession, request: Request, response: Response, bridge: BridgeServices
) -> TokenOut:
    """Exchange the Django session that a browser comes with for tokens; the two end together."""
    await refuse_half_a_login(session, bridge)
    if session.name is None:
        detail = "The session began before the site could end it together with tokens; log in at the site again"
        raise Problem(401, code="login_required", detail=detail)
    granted = await bridge.granting.open_for(session, device=device_of(request))
    if granted is None:
        raise Problem(401, code="not_authenticated", detail="The session has ended")
    return token_answer(granted, response)


@_own.post("/logout", status_code=204, responses=_NO_TOKEN)
async def log_out(bearer: TokenBearer, bridge: BridgeServices) -> None:
    """End the login that this request's token belongs to, at once and on every replica."""
    await bridge.ending.log_out(bearer.claims)
    bridge.recorder.record(Event.LOGGED_OUT, user_id=bearer.user.id)


@_own.post("/logout-all", status_code=204, responses=_NO_TOKEN)
async def log_out_everywhere(bearer: UnlimitedBearer, bridge: BridgeServices) -> None:
    """End all of the user's logins, on every device."""
    await bridge.ending.log_out_everywhere(bearer.claims)
    bridge.recorder.record(Event.LOGGED_OUT_EVERYWHERE, user_id=bearer.user.id)


@_own.get("/grants", responses=_NO_TOKEN)
async def show_grants(bearer: UnlimitedBearer, bridge: BridgeServices) -> list[GrantOut]:
    """List where one is logged in, the last used first."""
    return [
        GrantOut(
            id=grant.id,
            device=grant.device,
            created_at=grant.created_at,
            last_used_at=grant.rotated_at,
            expires_at=grant.expires_at,
            current=grant.id == bearer.claims.session_id,
        )
        for grant in await bridge.ending.alive(bearer.user.id)
    ]


@_own.delete(
    "/grants/{grant_id}", status_code=204, responses=_NO_TOKEN | {404: {"description": "None of the user's logins"}}
)
async def revoke_grant(grant_id: str, bearer: UnlimitedBearer, bridge: BridgeServices) -> None:
    """End one of one's own logins."""
    if not await bridge.ending.revoke_grant(grant_id, user_id=bearer.user.id):
        raise Problem(404, code="no_such_grant", detail="There is no such login of yours")
    bridge.recorder.record(Event.GRANT_REVOKED, user_id=bearer.user.id)


async def _admit(request: Request, bridge: Bridge, client: Client) -> None:
    """Let in whom the operator has named (RFC 7662 section 2.1), by HTTP Basic (RFC 6749 section 2.3.1).

    Raises:
        Problem: 401 for anybody else.
    """
    name, _, secret = _basic(request.headers.get("authorization", "")).partition(":")
    known = bridge.introspection_clients.get(name)
    expected = known.get_secret_value() if known is not None else ""
    is_right = hmac.compare_digest(secret.encode(), expected.encode())
    if known is None or not is_right:
        reason = "unknown_client" if known is None else "wrong_secret"
        bridge.recorder.record(Event.INTROSPECTION_REFUSED, reason=reason, client=client)
        headers = {"WWW-Authenticate": 'Basic realm="introspection"'}
        raise Problem(401, code="invalid_client", detail="Not a client that may ask", headers=headers)


def _basic(header: str) -> str:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError):
        return ""


def _introspected(claims: TokenClaims, username: str) -> Introspected:
    return Introspected(
        active=True,
        token_type="refresh_token" if isinstance(claims, RefreshClaims) else "bearer",
        scope=" ".join(claims.scope),
        username=username,
        sub=claims.user_id,
        jti=claims.token_id,
        sid=claims.session_id,
        exp=int(claims.expires_at.timestamp()),
        iat=None if claims.issued_at is None else int(claims.issued_at.timestamp()),
    )


router = APIRouter(prefix="/auth", tags=["auth"])
router.include_router(_oauth)
router.include_router(_own)
