"""Which app answers a canary's request, who asks, and how its answers are kept out of shared caches."""

import asyncio
import hashlib
import hmac
import logging
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Scope, Send

from bridge.cutover import WHOLE, AllowList, CanaryGroup, Side, Standing, bucket_of
from bridge.errors import DatabaseError, InvalidToken
from bridge.services.canary import Asker, Askers
from bridge.sessions.csrf import request_cookies
from bridge.web.authentication import bearer_token, note_role, role_of

__all__ = ["COOKIE", "Choice", "asker_of", "chosen", "marking"]

COOKIE: Final = "bridge_canary"
"""Keeps a client that is not logged in on one side. It names nobody: a random number, signed."""

_COOKIE_SECONDS: Final = 30 * 86_400
_KEY_PURPOSE: Final = b"bridge.canary.cookie"
_NOBODY_LISTED: Final = AllowList()
_MAC_LENGTH: Final = 32
_PATIENCE_SECONDS: Final = 1.0
# These caches heed them before Cache-Control (RFC 9213 section 2.2, and W3C's Edge Architecture before it).
_OF_SHARED_CACHES: Final = ("cdn-cache-control", "surrogate-control")
_DIRECTIVE: Final = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*")+')

_logger: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which side answers.

    Attributes:
        new_cookie: for a client that has none yet, its value; None else.
    """

    side: Side
    new_cookie: str | None = None


async def asker_of(
    scope: Scope, *, askers: Askers, session_cookie: str, allow: AllowList = _NOBODY_LISTED
) -> Asker | None:
    """Find out who asks, by token or else by session, and note what kind of user; None for nobody that is known here.

    Raises:
        DatabaseError: it cannot be told.
        TimeoutError: nor in a second.
    """
    headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
    cookie = request_cookies(headers).get(session_cookie)
    async with asyncio.timeout(_PATIENCE_SECONDS):
        asker = await askers.of(token=_bearer(scope), cookie=cookie, allow=allow)
    note_role(scope, asker.role if asker else role_of(scope, session_cookie=session_cookie))
    return asker


async def chosen(
    scope: Scope,
    standing: Standing,
    *,
    group: CanaryGroup,
    askers: Askers,
    session_cookie: str,
    secret_keys: tuple[str, ...],
) -> Choice:
    """Choose by user, the same for their token and their session; by cookie for a client that is nobody here.

    A database that is away, or does not answer in a second, leaves whoever needs it with Django.
    """
    try:
        asker = await asker_of(scope, askers=askers, session_cookie=session_cookie, allow=group.allow)
    except (DatabaseError, TimeoutError) as exc:
        # As often as somebody asks; that the database is away was told once.
        _logger.info("who asks was not found out, Django answers: %s", type(exc).__name__)
        return Choice(Side.LEGACY)
    if asker is not None:
        bucket = bucket_of(asker.subject, salt=group.salt)
        return Choice(standing.side(bucket=bucket, is_listed=asker.is_listed))
    # With the bridge only once everybody is: whoever brings nothing to tell them by would change sides each time.
    by_default = standing.side(bucket=WHOLE - 1)
    headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
    if any(name == b"authorization" for name, _ in headers):
        return Choice(by_default)
    number = _verified(request_cookies(headers).get(COOKIE, ""), secret_keys)
    if number is None:
        return Choice(by_default, _signed(secrets.token_hex(16), secret_keys[0]))
    return Choice(standing.side(bucket=bucket_of(f"cookie:{number}", salt=group.salt)))


def marking(send: Send, choice: Choice, *, is_secure: bool) -> Send:
    """Keep the answer out of shared caches, which would hand one side's to everybody, and set the cookie."""

    async def marked(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["cache-control"] = _private(", ".join(headers.getlist("cache-control")))
            for name in _OF_SHARED_CACHES:
                del headers[name]
            for name in ("Authorization", "Cookie"):
                headers.add_vary_header(name)
            if choice.new_cookie is not None:
                headers.append("set-cookie", _set_cookie(choice.new_cookie, is_secure=is_secure))
        await send(message)

    return marked


def _private(cache_control: str) -> str:
    if '"' in _DIRECTIVE.sub("", cache_control):
        return "private, no-store"  # of a quote that never closes nobody can tell what it was to say
    kept = [
        each
        for each in (part.strip() for part in _DIRECTIVE.findall(cache_control))
        if each.lower().partition("=")[0] not in ("", "public", "private", "s-maxage")
    ]
    return ", ".join([*kept, "private"])


def _set_cookie(value: str, *, is_secure: bool) -> str:
    cookie = SimpleCookie({COOKIE: value})
    morsel = cookie[COOKIE]
    morsel.update({"path": "/", "max-age": str(_COOKIE_SECONDS), "samesite": "Lax", "httponly": "1"})
    if is_secure:
        morsel["secure"] = "1"
    return morsel.OutputString()


def _bearer(scope: Scope) -> str | None:
    """Read the token as endpoints do; what they would refuse names nobody."""
    try:
        return bearer_token(scope)
    except InvalidToken:
        return None


def _signed(number: str, secret: str) -> str:
    mac = hmac.new(hmac.digest(secret.encode(), _KEY_PURPOSE, "sha256"), number.encode(), hashlib.sha256)
    return f"{number}.{mac.hexdigest()[:_MAC_LENGTH]}"


def _verified(cookie: str, secret_keys: tuple[str, ...]) -> str | None:
    number = cookie.partition(".")[0]
    signed = (_signed(number, secret) for secret in secret_keys)
    is_ours = any(hmac.compare_digest(each.encode(), cookie.encode("utf-8", "replace")) for each in signed)
    return number if number and is_ours else None
