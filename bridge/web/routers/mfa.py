"""The second step of a login."""

from typing import Any, Final

from fastapi import APIRouter, Request, Response

from bridge.services.recording import Event
from bridge.services.second_factors import CodeAccepted, LoginExpired
from bridge.web.admission import client_of, refusal, remember
from bridge.web.answers import TokenOut, device_of, token_answer
from bridge.web.credentials import MFA_BODY, mfa_answer
from bridge.web.dependencies import BridgeServices
from bridge.web.limiting import trying
from bridge.web.routes import OAuthRoute

__all__ = ["router"]

_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    400: {"description": "Malformed request (RFC 6749 section 5.2)"},
    401: {"description": "`invalid_grant`: incorrect code; `expired_token`: start again with the password"},
    413: {"description": "Body too large"},
    429: {"description": "Too many wrong codes"},
    503: {"description": "No database"},
}

router = APIRouter(prefix="/auth", tags=["auth"], route_class=OAuthRoute)


@router.post("/mfa", openapi_extra=MFA_BODY, responses=_ANSWERS)
async def give_code(request: Request, response: Response, bridge: BridgeServices) -> TokenOut:
    """Complete a login that was answered `mfa_required`, with a TOTP code or a recovery code."""
    answer = await mfa_answer(request)
    client = client_of(request)
    async with trying(bridge, bridge.limits.code(client), client=client):
        outcome = await bridge.second_factors.verify(mfa_token=answer.mfa_token, code=answer.code, client=client)
        if isinstance(outcome, LoginExpired):
            # Of anybody's making: not for the counters in the database.
            bridge.recorder.note(Event.SECOND_FACTOR_REFUSED, reason="expired", address=client.address)
        if not isinstance(outcome, CodeAccepted):
            raise refusal(outcome)
    remember(bridge, outcome.user, request, response)
    granted = await bridge.granting.open(outcome.user, scope=outcome.scope, device=device_of(request))
    return token_answer(granted, response)
