"""Passwords and tokens from request bodies that may be anything at all."""

import json
from dataclasses import dataclass, field
from typing import Any, Final

from fastapi import Request
from starlette.datastructures import UploadFile

from bridge.errors import MalformedRequest
from bridge.tokens import LONGEST_SCOPE, is_scope_token
from bridge.web.form_bodies import URLENCODED, is_form

__all__ = [
    "LOGIN_BODY",
    "MFA_BODY",
    "REFRESH_BODY",
    "SHOWN_TOKEN_BODY",
    "TOKEN_BODY",
    "Credentials",
    "MfaAnswer",
    "RefreshRequest",
    "from_json",
    "from_token_request",
    "mfa_answer",
    "refresh_from_json",
    "shown_token",
]

_TEXT: Final[dict[str, Any]] = {"type": "string"}
_SECRET: Final[dict[str, Any]] = {"type": "string", "format": "password"}
_LONGEST_TOKEN: Final = 8192


def _body(media_type: str, *, required: tuple[str, ...] = (), **properties: dict[str, Any]) -> dict[str, Any]:
    """Describe a body that is read by hand, because FastAPI would refuse it in words of its own."""
    schema = {"type": "object", "required": list(required), "properties": properties}
    return {"requestBody": {"required": True, "content": {media_type: {"schema": schema}}}}


TOKEN_BODY: Final = _body(
    URLENCODED,
    required=("grant_type",),
    grant_type={"type": "string", "enum": ["password", "refresh_token"]},
    username=_TEXT,
    password=_SECRET,
    refresh_token=_SECRET,
    scope={"type": "string", "default": ""},
)
LOGIN_BODY: Final = _body("application/json", required=("username", "password"), username=_TEXT, password=_SECRET)
MFA_BODY: Final = _body("application/json", required=("mfa_token", "code"), mfa_token=_SECRET, code=_TEXT)
REFRESH_BODY: Final = _body("application/json", required=("refresh_token",), refresh_token=_SECRET)
SHOWN_TOKEN_BODY: Final = _body(URLENCODED, required=("token",), token=_SECRET, token_type_hint=_TEXT)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What somebody typed. Any text at all: deciding that it is nobody's is the login's part.

    Attributes:
        scope: what the tokens are to be restricted to; None where nothing was said.
    """

    username: str
    password: str = field(repr=False)
    scope: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class MfaAnswer:
    """What completes a login that waits for a second factor."""

    mfa_token: str = field(repr=False)
    code: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class RefreshRequest:
    """A refresh token, and the scope that is asked for; None for the same as before."""

    token: str = field(repr=False)
    scope: tuple[str, ...] | None = None


async def from_token_request(request: Request) -> Credentials | RefreshRequest:
    """Read an OAuth2 token request (RFC 6749 sections 4.3.2 and 6).

    Raises:
        MalformedRequest: ``invalid_request``, ``unsupported_grant_type`` or ``invalid_scope``; of these the
            first for a parameter that stands there twice (section 3.2), and for a body that is no form.
    """
    parameters = await _form(request)
    match parameters.get("grant_type"):
        case "password":
            return _credentials(parameters, scope=_scope(parameters.get("scope")))
        case "refresh_token":
            return RefreshRequest(_token(parameters, "refresh_token"), _scope(parameters.get("scope")))
        case None:
            raise _malformed("grant_type is missing")
        case _:
            raise MalformedRequest("grant_type must be password or refresh_token", code="unsupported_grant_type")


async def from_json(request: Request) -> Credentials:
    """Read a JSON object with ``username`` and ``password``.

    Raises:
        MalformedRequest: ``invalid_request``.
    """
    return _credentials(await _json(request))


async def mfa_answer(request: Request) -> MfaAnswer:
    """Read a JSON object with ``mfa_token`` and ``code``.

    Raises:
        MalformedRequest: ``invalid_request``.
    """
    parameters = await _json(request)
    mfa_token, code = parameters.get("mfa_token"), parameters.get("code")
    if not isinstance(mfa_token, str) or not isinstance(code, str):
        raise _malformed("mfa_token and code are required, as text")
    return MfaAnswer(mfa_token=mfa_token, code=code)


async def refresh_from_json(request: Request) -> RefreshRequest:
    """Read a JSON object with ``refresh_token``.

    Raises:
        MalformedRequest: ``invalid_request``.
    """
    return RefreshRequest(_token(await _json(request), "refresh_token"))


async def shown_token(request: Request) -> str:
    """Read the form of a revocation or an introspection (RFC 7009 section 2.1, RFC 7662 section 2.1).

    Raises:
        MalformedRequest: ``invalid_request``.
    """
    return _token(await _form(request), "token")


async def _json(request: Request) -> dict[str, Any]:
    try:
        parameters = json.loads(await request.body())
    except (ValueError, RecursionError) as exc:
        raise _malformed("The body must be JSON") from exc
    if not isinstance(parameters, dict):
        raise _malformed("The body must be a JSON object")
    return parameters


async def _form(request: Request) -> dict[str, str]:
    if not is_form(request):
        raise _malformed(f"The body must be {URLENCODED}")
    found: dict[str, str] = {}
    async with request.form(max_files=0) as form:
        for name, value in form.multi_items():
            if name in found:
                raise _malformed("A parameter is repeated")
            if isinstance(value, UploadFile):
                raise _malformed("A parameter is a file")
            found[name] = value
    return found


def _credentials(parameters: dict[str, Any], *, scope: tuple[str, ...] | None = None) -> Credentials:
    username, password = parameters.get("username"), parameters.get("password")
    if not isinstance(username, str) or not isinstance(password, str):
        raise _malformed("username and password are required, as text")
    return Credentials(username=username, password=password, scope=scope)


def _token(parameters: dict[str, Any], name: str) -> str:
    token = parameters.get(name)
    if not isinstance(token, str) or not token:
        raise _malformed(f"{name} is required, as text")
    # A longer one is none of ours; what it is cut to neither.
    return token[: _LONGEST_TOKEN + 1]


def _scope(text: str | None) -> tuple[str, ...] | None:
    """Read a scope; an empty one says nothing, as FastAPI's form and many clients send it."""
    if not text or not text.strip(" "):
        return None
    tokens = tuple(dict.fromkeys(text.split(" ")))
    tokens = tuple(each for each in tokens if each)
    if len(text) > LONGEST_SCOPE or not all(map(is_scope_token, tokens)):
        raise MalformedRequest("The scope is malformed", code="invalid_scope")
    return tokens


def _malformed(message: str) -> MalformedRequest:
    return MalformedRequest(message, code="invalid_request")
