"""The one table: what each kind of error is answered with, as a problem and as an OAuth error."""

import json
from datetime import timedelta
from typing import Final

import httpx
import pytest
from fastapi import APIRouter, FastAPI, HTTPException

from bridge.errors import (
    BridgeError,
    ConfigurationError,
    ConstraintViolated,
    DatabaseError,
    DatabaseUnavailable,
    HashingUnavailable,
    InvalidToken,
    MalformedRequest,
    ReadOnlyDatabase,
    SchemaMissing,
    WriteRefused,
)
from bridge.web.errors import Problem, register_handlers
from bridge.web.routes import BoundedRoute, OAuthRoute
from tests.web.conftest import assert_problem

SECRET: Final = "postgresql://bridge:swordfish@db/shop"

TABLE: Final[dict[str, tuple[BridgeError, int, str, str, dict[str, str]]]] = {
    "invalid_token": (
        InvalidToken(SECRET),
        401,
        "invalid_token",
        "invalid_grant",
        {"www-authenticate": 'Bearer error="invalid_token"'},
    ),
    "malformed": (
        MalformedRequest("The body must be JSON", code="invalid_request"),
        400,
        "malformed_request",
        "invalid_request",
        {},
    ),
    "no_capacity": (
        HashingUnavailable(retry_after=timedelta(seconds=10)),
        503,
        "no_hashing_capacity",
        "temporarily_unavailable",
        {"retry-after": "10"},
    ),
    "write_refused": (WriteRefused(SECRET), 503, "write_refused", "temporarily_unavailable", {}),
    "read_only": (
        ReadOnlyDatabase(SECRET),
        503,
        "write_refused",
        "temporarily_unavailable",
        {"retry-after": "5"},
    ),
    "constraint": (ConstraintViolated(SECRET), 409, "site_demands_more", "invalid_request", {}),
    "unavailable": (
        DatabaseUnavailable(SECRET),
        503,
        "database_unavailable",
        "temporarily_unavailable",
        {"retry-after": "1"},
    ),
    "schema": (SchemaMissing(SECRET), 503, "database_unavailable", "temporarily_unavailable", {"retry-after": "1"}),
    "database": (DatabaseError(SECRET), 503, "database_unavailable", "temporarily_unavailable", {"retry-after": "1"}),
    "configuration": (
        ConfigurationError("The Django site does not take argon2 passwords yet", cure=SECRET),
        503,
        "not_configured",
        "temporarily_unavailable",
        {},
    ),
}


async def answer_to(error: Exception, *, route_class: type[BoundedRoute]) -> httpx.Response:
    """Ask an endpoint at which ``error`` happens."""
    router = APIRouter(route_class=route_class)

    @router.get("/")
    async def endpoint() -> None:
        raise error

    app = FastAPI()
    register_handlers(app)
    app.include_router(router)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://bridge") as client:
        return await client.get("/")


@pytest.mark.parametrize(("error", "status", "code", "_oauth", "headers"), TABLE.values(), ids=TABLE.keys())
async def test_an_error_is_a_problem_with_a_stable_code(
    error: BridgeError, status: int, code: str, _oauth: str, headers: dict[str, str]
):
    answer = await answer_to(error, route_class=BoundedRoute)

    assert_problem(answer, status=status, code=code)
    assert {name: answer.headers[name] for name in headers} == headers
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(("error", "status", "_code", "oauth", "headers"), TABLE.values(), ids=TABLE.keys())
async def test_an_error_at_an_oauth_endpoint_is_an_oauth_error(
    error: BridgeError, status: int, _code: str, oauth: str, headers: dict[str, str]
):
    answer = await answer_to(error, route_class=OAuthRoute)

    body = answer.json()
    assert answer.status_code == status
    assert body == {"error": oauth, "error_description": body["detail"], "detail": body["detail"]}
    assert {name: answer.headers[name] for name in headers} == headers
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("route_class", [BoundedRoute, OAuthRoute])
@pytest.mark.parametrize("error", [entry[0] for entry in TABLE.values()], ids=TABLE.keys())
async def test_no_answer_says_what_only_the_operator_should_read(error: BridgeError, route_class: type[BoundedRoute]):
    answer = await answer_to(error, route_class=route_class)

    assert "swordfish" not in answer.text + json.dumps(dict(answer.headers))


@pytest.mark.parametrize("route_class", [BoundedRoute, OAuthRoute])
async def test_a_bug_is_a_500_that_says_nothing(route_class: type[BoundedRoute]):
    answer = await answer_to(RuntimeError(SECRET), route_class=route_class)

    assert_problem(answer, status=500, code="internal_error")
    assert "swordfish" not in answer.text


async def test_an_endpoints_own_refusal_is_a_problem_too():
    answer = await answer_to(
        Problem(418, code="teapot", detail="Short and stout", handle="here"), route_class=BoundedRoute
    )

    assert assert_problem(answer, status=418, code="teapot")["handle"] == "here"


async def test_a_migrated_endpoints_http_exception_is_a_problem_too():
    answer = await answer_to(HTTPException(404, "No such order"), route_class=BoundedRoute)

    assert assert_problem(answer, status=404, code="not_found")["detail"] == "No such order"


async def test_an_http_exception_at_an_oauth_endpoint_is_an_oauth_error():
    answer = await answer_to(HTTPException(400, "No form"), route_class=OAuthRoute)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
