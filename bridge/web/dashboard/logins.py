"""The dashboard's own login page: the bridge's login with a form in front, and nothing decided anew."""

import math
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Request, Response

from bridge.errors import HashingUnavailable
from bridge.services.login import LoggedIn
from bridge.services.recording import Event
from bridge.services.second_factors import CodeAccepted, SecondFactorRequired
from bridge.store.users import StoredUser
from bridge.web.admission import client_of, refusal, remember
from bridge.web.answers import device_of
from bridge.web.composition import Bridge
from bridge.web.dashboard.answering import PageRoute, to
from bridge.web.dashboard.cookies import Cookies
from bridge.web.dashboard.pages import page
from bridge.web.dashboard.visitors import PossibleVisitor, SendingStaff, refuse_forged
from bridge.web.dependencies import BridgeServices
from bridge.web.errors import Problem, problem_of
from bridge.web.limiting import trying

__all__ = ["router"]

_STAFF_ONLY: Final = "This page is for staff. Your account is not."
_TOO_LATE: Final = "expired_token"  # of ``refusal``
_STALE: Final = "The form was too old. Please try again."

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/login")
async def show_login(request: Request, bridge: BridgeServices, visitor: PossibleVisitor) -> Response:
    """Ask for username and password, unless somebody of the staff is logged in already."""
    if visitor is not None and visitor.user.is_staff:
        return to("./")
    return _form(request, bridge)


@router.post("/login")
async def log_in(request: Request, bridge: BridgeServices) -> Response:
    """Log in by password."""
    username, password = await _fields(request, "username", "password")
    stale = await _stale_form(request, bridge, username)
    if stale is not None:
        return stale
    try:
        outcome = await bridge.login.attempt(username=username, password=password, client=client_of(request))
    except HashingUnavailable as exc:
        return _form(request, bridge, problem_of(exc), username=username)
    if isinstance(outcome, LoggedIn):
        return await _let_in(request, bridge, outcome.user)
    refused = refusal(outcome)
    if isinstance(outcome, SecondFactorRequired) and outcome.mfa_token is not None:
        return _code_form(request, bridge, outcome.mfa_token)
    return _form(request, bridge, refused, username=username)


@router.post("/code")
async def give_code(request: Request, bridge: BridgeServices) -> Response:
    """Complete a login with a code of the second factor."""
    mfa_token, code = await _fields(request, "mfa_token", "code")
    stale = await _stale_form(request, bridge, "")
    if stale is not None:
        return stale
    try:
        return await _let_in(request, bridge, await _by_code(request, bridge, mfa_token, code))
    except Problem as refused:
        if refused.code == _TOO_LATE:
            return _form(request, bridge, refused)
        return _code_form(request, bridge, mfa_token, refused)


@router.get("/code")
async def code_was_asked() -> Response:
    """Begin again: whoever reloads or comes back here has nothing that a code would complete."""
    return to("login")


@router.post("/logout")
async def log_out(request: Request, bridge: BridgeServices, visitor: SendingStaff) -> Response:
    """End the dashboard's login. A session of the site is the site's to end."""
    if visitor.claims is not None:
        await bridge.ending.log_out(visitor.claims)
        bridge.recorder.record(Event.LOGGED_OUT, user_id=visitor.user.id)
        Cookies.of(request).forget()
    return to("login")


async def _let_in(request: Request, bridge: Bridge, user: StoredUser) -> Response:
    if not user.is_staff:
        # No grant is opened for what nobody could use here.
        return _form(request, bridge, Problem(HTTPStatus.FORBIDDEN, code="staff_only", detail=_STAFF_ONLY))
    cookies = Cookies.of(request)
    cookies.keep(await bridge.granting.open(user, device=device_of(request)))
    answer = to("./")
    remember(bridge, user, request, answer)
    return answer


async def _by_code(request: Request, bridge: Bridge, mfa_token: str, code: str) -> StoredUser:
    client = client_of(request)
    async with trying(bridge, bridge.limits.code(client), client=client):
        outcome = await bridge.second_factors.verify(mfa_token=mfa_token, code=code, client=client)
        if not isinstance(outcome, CodeAccepted):
            raise refusal(outcome)
    return outcome.user


async def _stale_form(request: Request, bridge: Bridge, username: str) -> Response | None:
    """Show the login form again, if what came was not this browser's own."""
    cookies = Cookies.of(request)
    try:
        await refuse_forged(request, bridge, _subject(cookies.browser or ""))
    except Problem as exc:
        return _form(request, bridge, Problem(exc.status, code=exc.code, detail=_STALE), username=username)
    return None


async def _fields(request: Request, *names: str) -> tuple[str, ...]:
    """Read texts of a form; one that is missing, a file or not alone is as good as empty."""
    form = await request.form(max_files=0)
    found = (form.getlist(name) for name in names)
    return tuple(each[0] if len(each) == 1 and isinstance(each[0], str) else "" for each in found)


def _form(request: Request, bridge: Bridge, refused: Problem | None = None, *, username: str = "") -> Response:
    return page(
        "login.html",
        status=refused.status if refused else HTTPStatus.OK,
        headers=_headers(refused),
        form_token=_form_token(request, bridge),
        said=_said(refused),
        username=username,
    )


def _code_form(request: Request, bridge: Bridge, mfa_token: str, refused: Problem | None = None) -> Response:
    return page(
        "code.html",
        status=refused.status if refused else HTTPStatus.OK,
        headers=_headers(refused),
        form_token=_form_token(request, bridge),
        said=_said(refused),
        mfa_token=mfa_token,
    )


def _form_token(request: Request, bridge: Bridge) -> str:
    return bridge.form_tokens.issue(_subject(Cookies.of(request).known_browser()))


def _subject(browser: str) -> str:
    return f"browser:{browser}"


def _headers(refused: Problem | None) -> dict[str, str]:
    return dict((refused.headers if refused else None) or {})


def _said(refused: Problem | None) -> str | None:
    if refused is None:
        return None
    retry_after = (refused.headers or {}).get("Retry-After")
    if retry_after is None:
        return f"{refused.detail}."
    seconds = int(retry_after)
    minutes = math.ceil(seconds / 60)
    wait = f"{seconds} seconds" if seconds < 90 else f"{minutes:,} minutes"  # noqa: PLR2004  # as people count
    return f"{refused.detail}. Try again in {wait}."
