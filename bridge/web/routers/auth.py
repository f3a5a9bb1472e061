"""Logging in, registering, changing the password."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from bridge.errors import ConstraintViolated
from bridge.services.accounts import Invalid, Registered, UsernameTaken, WrongPassword
from bridge.services.login import LoggedIn
from bridge.services.recording import Event
from bridge.web.admission import client_of, refusal, remember
from bridge.web.answers import TOKEN_ANSWERS, TokenOut, device_of, refreshed, token_answer
from bridge.web.composition import Bridge
from bridge.web.credentials import (
    LOGIN_BODY,
    TOKEN_BODY,
    Credentials,
    RefreshRequest,
    from_json,
    from_token_request,
)
from bridge.web.dependencies import AccountUser, BridgeServices, TokenBearer
from bridge.web.errors import Problem
from bridge.web.limiting import admitted, trying
from bridge.web.routers.users import UserOut
from bridge.web.routes import BoundedRoute, OAuthRoute

__all__ = ["router"]

_oauth = APIRouter(route_class=OAuthRoute)
_accounts = APIRouter(route_class=BoundedRoute)


# The site's columns hold less; its validators compare the password with each of these, on the event loop.
_Text = Annotated[str, Field(max_length=1024)]


class TokenInfo(BaseModel):
    """What an access token says."""

    subject: str
    username: str
    scopes: list[str]
    token_id: str
    issued_at: datetime | None
    expires_at: datetime


class Registration(BaseModel):
    """A new user."""

    model_config = ConfigDict(extra="forbid")

    username: _Text
    password: Annotated[str, Field(max_length=4096)]
    email: _Text = ""
    first_name: _Text = ""
    last_name: _Text = ""


class PasswordChange(BaseModel):
    """The current password and the one to come."""

    model_config = ConfigDict(extra="forbid")

    current_password: Annotated[str, Field(max_length=4096)]
    new_password: Annotated[str, Field(max_length=4096)]


@_oauth.post("/token", openapi_extra=TOKEN_BODY, responses=TOKEN_ANSWERS)
async def issue_token(request: Request, response: Response, bridge: BridgeServices) -> TokenOut:
    """Exchange a username and a password, or a refresh token, for tokens (OAuth2 token endpoint)."""
    asked = await from_token_request(request)
    if isinstance(asked, RefreshRequest):
        return await refreshed(bridge, asked, request, response)
    return await _log_in(bridge, asked, request, response)


@_oauth.post("/login", openapi_extra=LOGIN_BODY, responses=TOKEN_ANSWERS)
async def log_in(request: Request, response: Response, bridge: BridgeServices) -> TokenOut:
    """Log in with a JSON body: the first-party login."""
    return await _log_in(bridge, await from_json(request), request, response)


@_accounts.get("/token", responses={401: {"description": "No valid access token"}})
async def show_token(bearer: TokenBearer) -> TokenInfo:
    """Say whom this access token is for, what it may do and until when."""
    return TokenInfo(
        subject=bearer.claims.user_id,
        username=bearer.user.username,
        scopes=list(bearer.claims.scope),
        token_id=bearer.claims.token_id,
        issued_at=bearer.claims.issued_at,
        expires_at=bearer.claims.expires_at,
    )


@_accounts.post(
    "/register",
    status_code=201,
    responses={
        403: {"description": "Registration is closed"},
        409: {"description": "The username is taken, or the site's table demands more (`site_demands_more`)"},
        429: {"description": "Too many registrations"},
    },
)
async def register(registration: Registration, request: Request, bridge: BridgeServices) -> UserOut:
    """Create a user by the site's own rules, in Django's format. Off unless BRIDGE_REGISTRATION is on."""
    if not bridge.registration_open:
        raise Problem(403, code="registration_closed", detail="Registration is closed")
    client = client_of(request)
    await admitted(bridge, bridge.limits.registration(client), client=client)
    texts = registration.model_dump(include={"email", "first_name", "last_name"}, exclude_unset=True)
    try:
        outcome = await bridge.accounts.register(
            username=registration.username, password=registration.password, texts=texts
        )
    except ConstraintViolated:
        bridge.recorder.record(Event.REGISTRATION_REFUSED, reason="site_demands_more", client=client)
        raise
    match outcome:
        case Registered(user):
            bridge.recorder.record(Event.REGISTERED, user_id=user.id, client=client)
            return UserOut.of(user)
        case UsernameTaken():
            bridge.recorder.record(Event.REGISTRATION_REFUSED, reason="username_taken", client=client)
            raise Problem(409, code="username_taken", detail="A user with that username already exists")
        case Invalid(errors):
            bridge.recorder.record(Event.REGISTRATION_REFUSED, reason="invalid", client=client)
            raise Problem(422, code="invalid", detail="The site's rules say no", errors=errors)


@_accounts.post(
    "/password",
    status_code=204,
    responses={
        403: {"description": "The current password is another"},
        429: {"description": "Too many wrong current passwords"},
    },
)
async def change_password(change: PasswordChange, user: AccountUser, request: Request, bridge: BridgeServices) -> None:
    """Change one's own password, by the site's validators."""
    client = client_of(request)

    def tell(event: Event, reason: str | None = None) -> None:
        bridge.recorder.record(event, user_id=user.id, reason=reason, client=client)

    async with trying(bridge, bridge.limits.own_password(user.id), client=client, user_id=user.id):
        outcome = await bridge.accounts.change_password(
            user.id, current=change.current_password, new=change.new_password
        )
        if isinstance(outcome, WrongPassword):
            tell(Event.PASSWORD_CHANGE_REFUSED, "wrong_password")
            raise Problem(403, code="incorrect_password", detail="The current password is incorrect")
    if isinstance(outcome, Invalid):
        tell(Event.PASSWORD_CHANGE_REFUSED, "invalid")
        raise Problem(422, code="invalid", detail="The site's rules say no", errors=outcome.errors)
    tell(Event.PASSWORD_CHANGED)


async def _log_in(bridge: Bridge, credentials: Credentials, request: Request, response: Response) -> TokenOut:
    scope = credentials.scope or ()
    outcome = await bridge.login.attempt(
        username=credentials.username, password=credentials.password, client=client_of(request), scope=scope
    )
    if not isinstance(outcome, LoggedIn):
        raise refusal(outcome)
    remember(bridge, outcome.user, request, response)
    granted = await bridge.granting.open(outcome.user, scope=scope, device=device_of(request))
    return token_answer(granted, response)


router = APIRouter(prefix="/auth", tags=["auth"])
router.include_router(_oauth)
router.include_router(_accounts)
