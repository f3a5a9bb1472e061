"""Who is looking at the dashboard: by a token, by its own login, or by the site's session."""

import hashlib
from dataclasses import dataclass, field
from typing import Annotated, Final

from fastapi import Depends, Request

from bridge.errors import InvalidToken
from bridge.services.identity import Authenticated
from bridge.services.token_pairs import Granted
from bridge.store.users import StoredUser
from bridge.tokens import AccessClaims
from bridge.web.answers import device_of
from bridge.web.authentication import bearer_token, refuse_limits, session_cookie
from bridge.web.composition import Bridge
from bridge.web.dashboard.cookies import Cookies
from bridge.web.dependencies import BridgeServices
from bridge.web.errors import CHALLENGE, Problem
from bridge.web.form_tokens import FIELD, is_from_elsewhere

__all__ = ["NOT_LOGGED_IN", "SendingStaff", "StaffVisitor", "Visitor", "possible_visitor", "refuse_forged"]

NOT_LOGGED_IN: Final = "not_authenticated"
_FORGED: Final = "The form is not one of this page's, or too old. Load the page again."


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who is looking.

    Attributes:
        user: who.
        form_subject: what the tokens of their forms are bound to; "" where no browser sends the credentials by itself.
        claims: of the dashboard's own login; None for any other.
    """

    user: StoredUser
    form_subject: str = field(repr=False)
    claims: AccessClaims | None = None


async def possible_visitor(request: Request, bridge: BridgeServices) -> Visitor | None:
    """Give who is looking, or None.

    A bearer token beats the dashboard's own login, and that the site's session: whoever logs in here as staff may be a
    customer there.

    Raises:
        InvalidToken: the bearer token is not to be believed.
        Problem: 403, it was lent for some scope only.
    """
    token = bearer_token(request.scope)
    if token is not None:
        login: Authenticated = await bridge.identity.of_token(token)
        refuse_limits(login.claims)
        return Visitor(login.user, form_subject="")
    return await _of_login(request, bridge) or await _of_session(bridge, session_cookie(request, bridge))


PossibleVisitor = Annotated[Visitor | None, Depends(possible_visitor)]


async def staff_visitor(visitor: PossibleVisitor) -> Visitor:
    """Let only staff pass."""
    if visitor is None:
        raise Problem(401, code=NOT_LOGGED_IN, detail="Not authenticated", headers=CHALLENGE)
    if not visitor.user.is_staff:
        raise Problem(403, code="staff_only", detail="Staff only")
    return visitor


StaffVisitor = Annotated[Visitor, Depends(staff_visitor)]
"""A member of staff; 401 without anybody, 403 for anybody else."""


async def sending_staff(request: Request, bridge: BridgeServices, visitor: StaffVisitor) -> Visitor:
    """Let only staff pass who send one of the dashboard's own forms, or a bearer token."""
    if visitor.form_subject:
        await refuse_forged(request, bridge, visitor.form_subject)
    return visitor


SendingStaff = Annotated[Visitor, Depends(sending_staff)]
"""``StaffVisitor`` for what changes something."""


async def refuse_forged(request: Request, bridge: Bridge, subject: str) -> None:
    """Let a form pass that was written for this login or browser.

    Raises:
        Problem: 403 ``csrf_failed``.
    """
    token = (await request.form(max_files=0)).get(FIELD, "")
    if is_from_elsewhere(request) or not (isinstance(token, str) and bridge.form_tokens.holds(token, subject)):
        raise Problem(403, code="csrf_failed", detail=_FORGED)


async def _of_login(request: Request, bridge: Bridge) -> Visitor | None:
    cookies = Cookies.of(request)
    if cookies.access is None:
        return None
    try:
        login = await bridge.identity.of_token(cookies.access)
    except InvalidToken:
        renewed = await _renewed(request, bridge, cookies)
        if renewed is None:
            return None
        login = await bridge.identity.of_token(renewed)
    refuse_limits(login.claims)
    return Visitor(login.user, form_subject=_name_of(login.claims), claims=login.claims)


async def _renewed(request: Request, bridge: Bridge, cookies: Cookies) -> str | None:
    """Go on with the login once its access token has expired, and give the next one."""
    if cookies.refresh is not None:
        outcome = await bridge.refreshing.refresh(cookies.refresh, scope=None, device=device_of(request))
        if isinstance(outcome, Granted):
            cookies.keep(outcome)
            return outcome.access_token
    cookies.forget()
    return None


async def _of_session(bridge: Bridge, cookie: str | None) -> Visitor | None:
    login = None if cookie is None else await bridge.identity.of_session(cookie)
    if cookie is None or login is None or login.session is None:
        return None
    # django-otp opens a session before its code was given: that is half a login.
    if await bridge.second_factors.is_outstanding(login.session):
        return None
    # Of a session that is its own cookie the value changes, and the name stays.
    name = login.session.name or cookie
    return Visitor(login.user, form_subject=f"session:{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()}")


def _name_of(claims: AccessClaims) -> str:
    # A grant goes on over many tokens, and a form over more than one of them.
    return f"grant:{claims.session_id}" if claims.session_id else f"token:{claims.token_id}"
