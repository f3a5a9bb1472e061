"""The one table: error class -> status, code, words. Nothing else in the bridge names a status for an error."""

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from bridge.errors import (
    BridgeError,
    ConfigurationError,
    ConstraintViolated,
    DatabaseError,
    HashingUnavailable,
    InvalidToken,
    MalformedRequest,
    ReadOnlyDatabase,
    WriteRefused,
)

__all__ = ["CHALLENGE", "NO_STORE", "Problem", "oauth_answer", "problem_answer", "problem_of", "register_handlers"]

CHALLENGE: Final = {"WWW-Authenticate": "Bearer"}
"""What a 401 asks for where no token was sent (RFC 6750 section 3.1)."""

_logger: Final = logging.getLogger(__name__)
NO_STORE: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}
"""On whatever holds tokens, or refuses them (RFC 6749 section 5.1)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How one kind of error is answered.

    Attributes:
        status: HTTP status.
        code: ours, stable.
        oauth: the closest of RFC 6749 section 5.2, for the OAuth endpoints.
        detail: for people; None where the error's own message may be shown.
        headers: that go with it.
    """

    status: int
    code: str
    oauth: str
    detail: str | None
    headers: Mapping[str, str] | None = None


# First match wins, so that kinds stand before their kin.
_TABLE: Final[Mapping[type[BridgeError], Answer]] = {
    InvalidToken: Answer(
        401,
        "invalid_token",
        "invalid_grant",
        "The token is invalid, expired or revoked",
        {"WWW-Authenticate": 'Bearer error="invalid_token"'},
    ),
    MalformedRequest: Answer(400, "malformed_request", "invalid_request", None),
    HashingUnavailable: Answer(
        503,
        "no_hashing_capacity",
        "temporarily_unavailable",
        "Too many logins at the moment",
        {"Retry-After": "10"},
    ),
    # A failover: it is over as soon as there is a primary again.
    ReadOnlyDatabase: Answer(
        503,
        "write_refused",
        "temporarily_unavailable",
        "The database can only be read at the moment",
        {"Retry-After": "5"},
    ),
    WriteRefused: Answer(
        503, "write_refused", "temporarily_unavailable", "The database does not let the service do this"
    ),
    ConstraintViolated: Answer(
        409,
        "site_demands_more",
        "invalid_request",
        "The site's user table demands more than can be given here",
    ),
    DatabaseError: Answer(
        503,
        "database_unavailable",
        "temporarily_unavailable",
        "The database is not available",
        {"Retry-After": "1"},
    ),
    ConfigurationError: Answer(503, "not_configured", "temporarily_unavailable", None),
}


class Problem(Exception):  # it is one, in RFC 9457's own word
    """A refusal that an endpoint decides on.

    Args:
        status: HTTP status.
        code: stable and machine-readable.
        detail: for people.
    """

    def __init__(
        self, status: int, *, code: str, detail: str, headers: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = headers
        self.more = more


def register_handlers(app: FastAPI) -> None:
    """Answer every error of the app by this module."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(BridgeError, _on_bridge_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(ClientDisconnect, _on_hang_up)
    app.add_exception_handler(Exception, _on_bug)


def problem_answer(
    status: int, *, code: str, detail: str, headers: Mapping[str, str] | None = None, **more: Any
) -> JSONResponse:
    """Give an ``application/problem+json`` (RFC 9457) with a stable ``code``."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
    }
    return JSONResponse(
        body | more, status, dict(headers or {}) | {"Cache-Control": "no-store"}, "application/problem+json"
    )


def problem_of(error: BridgeError | Problem) -> Problem:
    """Give an error as the refusal that it is answered by."""
    if isinstance(error, Problem):
        return error
    answer = _answer_for(error)
    return Problem(
        answer.status, code=answer.code, detail=answer.detail or str(error.args[0]), headers=_headers(error, answer)
    )


def oauth_answer(error: BridgeError | Problem) -> JSONResponse:
    """Give the same error as an OAuth endpoint does (RFC 6749 section 5.2), plus ``detail`` for FastAPI's clients."""
    more: Mapping[str, Any] = {}
    if isinstance(error, Problem):
        status, code, detail, headers, more = error.status, error.code, error.detail, error.headers, error.more
    else:
        answer = _answer_for(error)
        status, detail, headers = answer.status, answer.detail or str(error.args[0]), _headers(error, answer)
        code = error.code if isinstance(error, MalformedRequest) else answer.oauth
    body = {"error": code, "error_description": detail, "detail": detail, **more}
    return JSONResponse(body, status, dict(headers or {}) | NO_STORE)


def _answer_for(error: BridgeError) -> Answer:
    return next(answer for kind, answer in _TABLE.items() if isinstance(error, kind))


def _headers(error: BridgeError, answer: Answer) -> Mapping[str, str] | None:
    if isinstance(error, HashingUnavailable):
        return {"Retry-After": str(math.ceil(error.retry_after.total_seconds()))}
    return answer.headers


async def _on_problem(_: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, Problem)  # noqa: S101  # Starlette's handler type is wider than what it calls
    return problem_answer(exc.status, code=exc.code, detail=exc.detail, headers=exc.headers, **exc.more)


async def _on_bridge_error(_: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, BridgeError)  # noqa: S101  # as above
    found = problem_of(exc)
    if found.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _logger.warning("answered %s: %s", found.status, type(exc).__name__)
    return problem_answer(found.status, code=found.code, detail=found.detail, headers=found.headers)


async def _on_validation_error(_: Request, exc: Exception) -> JSONResponse:
    """Name the fields and what is wrong with them, and never repeat what was sent: it may be a password."""
    assert isinstance(exc, RequestValidationError)  # noqa: S101  # as above
    errors = [
        {"field": ".".join(str(part) for part in each["loc"][1:]), "message": each["msg"]} for each in exc.errors()
    ]
    printable = [{name: text.encode("utf-8", "replace").decode() for name, text in each.items()} for each in errors]
    return problem_answer(422, code="invalid", detail="The request does not have the expected form", errors=printable)


async def _on_http_exception(_: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, HTTPException)  # noqa: S101  # as above
    phrase = HTTPStatus(exc.status_code).phrase
    code = phrase.lower().replace(" ", "_").replace("-", "_")
    return problem_answer(exc.status_code, code=code, detail=str(exc.detail), headers=exc.headers)


async def _on_hang_up(_: Request, exc: Exception) -> JSONResponse:  # noqa: ARG001  # nobody is there to read of it
    """Answer a client that left before its body was whole: no error of ours, and no line in the log."""
    return problem_answer(400, code="malformed_request", detail="The body ended too soon")


async def _on_bug(_: Request, exc: Exception) -> JSONResponse:  # noqa: ARG001  # the server logs it
    return problem_answer(500, code="internal_error", detail="Something went wrong here; it has been logged")
