"""What a login's outcome is in HTTP."""

from functools import partial
from typing import Final

from fastapi import Request, Response

from bridge.services.client import Client
from bridge.services.lockout import LockedOut
from bridge.services.login import LoginRefused
from bridge.services.second_factors import CodeRefused, LoginExpired, SecondFactorRequired, TooManyCodes
from bridge.sessions.csrf import request_cookies
from bridge.store.users import StoredUser
from bridge.web.composition import Bridge
from bridge.web.errors import CHALLENGE, Problem
from bridge.web.limiting import too_many

__all__ = ["DEVICE_COOKIE", "client_of", "refusal", "remember"]

DEVICE_COOKIE: Final = "bridge_device"

_AT_THE_SITE: Final = "This account's second factor can be given at the site only; log in there"


def client_of(request: Request) -> Client:
    """Say who sends a request."""
    return Client(
        address=request.client.host if request.client else None,
        user_agent=request.headers.get("user-agent"),
        accept=request.headers.get("accept"),
        path=request.url.path,
        device=_device(request),
        hung_up=partial(_hung_up, request),
    )


def remember(bridge: Bridge, user: StoredUser, request: Request, response: Response) -> None:
    """Mark the device of a user who has just logged in, so that nobody can lock them out of it."""
    if request.headers.get("sec-fetch-site") == "cross-site":  # another site's page; the cookie that is here stays away
        return
    mark = bridge.devices.mark(user.username, _device(request))
    if mark is not None:
        response.set_cookie(
            DEVICE_COOKIE,
            mark,
            max_age=int(bridge.devices.age.total_seconds()),
            httponly=True,
            secure=request.url.scheme == "https",
            samesite="strict",
        )


def refusal(
    outcome: LoginRefused | LockedOut | SecondFactorRequired | CodeRefused | TooManyCodes | LoginExpired,
) -> Problem:
    """Say why nobody was logged in, or not yet."""
    match outcome:
        case LoginRefused():
            return _refusal("invalid_grant", "Incorrect username or password")
        case SecondFactorRequired(str(mfa_token)):
            return _refusal("mfa_required", "A code of the second factor is required", mfa_token=mfa_token)
        case SecondFactorRequired():
            return _refusal("mfa_required", _AT_THE_SITE)
        case CodeRefused():
            return _refusal("invalid_grant", "Incorrect code")
        case LoginExpired():
            return _refusal("expired_token", "The login has expired; start again with the password")
        case LockedOut(retry_after) | TooManyCodes(retry_after):
            return too_many(retry_after)


def _device(request: Request) -> str | None:
    return request_cookies(request.scope["headers"]).get(DEVICE_COOKIE)


async def _hung_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _refusal(code: str, detail: str, **more: str) -> Problem:
    return Problem(401, code=code, detail=detail, headers=CHALLENGE, **more)
