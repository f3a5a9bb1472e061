"""Usernames and passwords from request bodies that may be anything at all."""

import json
from dataclasses import dataclass, field
from typing import Any, Final

from fastapi import Request
from starlette.datastructures import UploadFile

from bridge.errors import MalformedRequest

__all__ = ["LOGIN_BODY", "TOKEN_BODY", "Credentials", "from_json", "from_token_request"]

_FORM_TYPES: Final = ("application/x-www-form-urlencoded", "multipart/form-data")

TOKEN_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "required": ["grant_type", "username", "password"],
                    "properties": {
                        "grant_type": {"type": "string", "enum": ["password"]},
                        "username": {"type": "string"},
                        "password": {"type": "string", "format": "password"},
                        "scope": {"type": "string", "default": ""},
                    },
                }
            }
        },
    }
}
LOGIN_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["username", "password"],
                    "properties": {
                        "username": {"type": "string"},
                        "password": {"type": "string", "format": "password"},
                    },
                }
            }
        },
    }
}


@dataclass(frozen=True, slots=True)
class Credentials:
    """What somebody typed. Any text at all: deciding that it is nobody's is the login's part."""

    username: str
    password: str = field(repr=False)


async def from_token_request(request: Request) -> Credentials:
    """Read an OAuth2 token request of the password grant (RFC 6749 section 4.3.2).

    Raises:
        MalformedRequest: ``invalid_request`` or ``unsupported_grant_type``; a parameter that stands there twice is the
            former (section 3.2), and so is a body that is no form.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() not in _FORM_TYPES:
        raise _malformed("The body must be application/x-www-form-urlencoded")
    parameters = await _form(request)
    grant_type = parameters.get("grant_type")
    if grant_type is None:
        raise _malformed("grant_type is missing")
    if grant_type != "password":
        raise MalformedRequest("grant_type must be password", code="unsupported_grant_type")
    return _credentials(parameters)


async def from_json(request: Request) -> Credentials:
    """Read a JSON object with ``username`` and ``password``.

    Raises:
        MalformedRequest: ``invalid_request``.
    """
    try:
        parameters = json.loads(await request.body())
    except (ValueError, RecursionError) as exc:
        raise _malformed("The body must be JSON") from exc
    if not isinstance(parameters, dict):
        raise _malformed("The body must be a JSON object")
    return _credentials(parameters)


async def _form(request: Request) -> dict[str, str]:
    found: dict[str, str] = {}
    async with request.form(max_files=0) as form:
        for name, value in form.multi_items():
            if name in found:
                raise _malformed("A parameter is repeated")
            if isinstance(value, UploadFile):
                raise _malformed("A parameter is a file")
            found[name] = value
    return found


def _credentials(parameters: dict[str, Any]) -> Credentials:
    username, password = parameters.get("username"), parameters.get("password")
    if not isinstance(username, str) or not isinstance(password, str):
        raise _malformed("username and password are required, as text")
    return Credentials(username=username, password=password)


def _malformed(message: str) -> MalformedRequest:
    return MalformedRequest(message, code="invalid_request")
