"""What the OpenAPI document says is what the bridge answers: schemathesis asks every operation of it.

The suite asks each a few times, always the same. A deeper run, with new questions each time:

    BRIDGE_CONTRACT_EXAMPLES=300 pytest -n0 tests/web/test_openapi_contract.py
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest
import requests
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from bridge.demo.endpoints import router as demo_router
from bridge.web.app import create_app
from tests.conftest import PASSWORD, Cast, settings_for
from tests.web.conftest import before_any_database

EXAMPLES: Final = int(os.environ.get("BRIDGE_CONTRACT_EXAMPLES", "0"))
CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
NEVER: Final = "1000000/minute"
GENEROUS: Final = dict.fromkeys(
    ("limit_account", "limit_device", "limit_network", "limit_everybody", "limit_tokens", "limit_registration"), NEVER
)
WITHOUT_CONTENT: Final = {"204", "302", "304"}
EMPTY: Final = ("/auth/revoke", "200")
"""RFC 7009 section 2.2 wants no more."""
CLIENT: Final = ("shop", "x" * 32)
ITEMS: Final = "GET /users/me/items/"
TESTED_ELSEWHERE: Final = {"POST /auth/mfa", "POST /auth/session"}
"""They need a login at the site or a second factor."""
AT_LAST: Final = ("POST /auth/password", "POST /auth/logout", "POST /auth/logout-all")
"""They end what the others need."""
RANDOM_ONLY_IF_DEEP: Final = settings(
    max_examples=EXAMPLES or 3,
    derandomize=not EXAMPLES,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)

pytestmark = before_any_database


@asynccontextmanager
async def listening(url: str) -> AsyncIterator[str]:
    """A real server, since it is one that reads what schemathesis writes."""
    opened = settings_for(url, registration="on", introspection_clients=dict([CLIENT]), **GENEROUS)
    app = create_app(opened, routers=(demo_router,))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        assert not serving.done()
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


def logged_in(url: str, username: str | None) -> requests.Session:
    session = requests.Session()
    if username is not None:
        answer = session.post(f"{url}/auth/login", json={"username": username, "password": PASSWORD}, timeout=10)
        session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    return session


def failures_of(operation: Any, url: str, session: requests.Session) -> Iterator[str]:
    """Ask an operation what its schema allows, and what it does not."""
    for mode in GenerationMode:

        @RANDOM_ONLY_IF_DEEP
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: Any) -> None:
            case.validate_response(case.call(base_url=url, session=session), checks=CHECKS)

        try:
            ask()
        except Unsatisfiable:
            assert mode is GenerationMode.NEGATIVE  # of what takes nothing, nothing can be wrong
        except FailureGroup as exc:
            yield f"{operation.label}: {exc}"


def operations_of(url: str) -> list[Any]:
    document = requests.get(f"{url}/openapi.json", timeout=10).json()
    found: Any = schemathesis.openapi.from_dict(document).get_all_operations()
    return [each.ok() for each in found]


def every_failure(url: str, username: str | None) -> list[str]:
    # One that logs out does so for itself alone.
    return [
        failure for operation in operations_of(url) for failure in failures_of(operation, url, logged_in(url, username))
    ]


@pytest.mark.parametrize("username", [None, "ada", "staff"], ids=["nobody", "a user", "staff"])
async def test_every_answer_is_in_the_document(cast: Cast, database_url: str, username: str | None):
    await cast.add("ada")
    await cast.add("staff", is_staff=True)

    async with listening(database_url) as url:
        failures = await asyncio.to_thread(every_failure, url, username)

    assert not failures, "\n".join(failures)


# What random requests do not reach ------------------------------------------------------------------------------------


def rightly_asked(url: str) -> dict[str, dict[str, Any]]:
    """What has to be given to be answered well, by operation."""

    def granted() -> dict[str, Any]:
        answer = requests.post(f"{url}/auth/login", json={"username": "staff", "password": PASSWORD}, timeout=10)
        given: dict[str, Any] = answer.json()
        return given

    spare = granted()["access_token"]
    grants = requests.get(f"{url}/auth/grants", headers={"Authorization": f"Bearer {spare}"}, timeout=10).json()
    stage = {"operation": ITEMS, "stage": "shadow", "reason": "a try"}
    return {
        "POST /auth/token": {"body": {"grant_type": "password", "username": "staff", "password": PASSWORD}},
        "POST /auth/login": {"body": {"username": "staff", "password": PASSWORD}},
        "POST /auth/register": {"body": {"username": "grace", "password": "mare liberum 1609"}},
        "POST /auth/password": {"body": {"current_password": PASSWORD, "new_password": PASSWORD}},
        "POST /auth/refresh": {"body": {"refresh_token": granted()["refresh_token"]}},
        "POST /auth/revoke": {"body": {"token": granted()["access_token"]}},
        "POST /auth/introspect": {"body": {"token": spare}},
        "DELETE /auth/grants/{grant_id}": {
            "path_parameters": {"grant_id": next(each["id"] for each in grants if each["current"])}
        },
        "PATCH /users/me/": {"body": {"first_name": "Grace"}},
        "PUT /migration/endpoints/stage": {"body": stage},
        "POST /migration/endpoints/rollback": {"body": {"operation": ITEMS, "reason": "enough"}},
    }


def every_badly_answered(url: str) -> list[str]:
    asked = rightly_asked(url)
    bad = []
    for operation in sorted(operations_of(url), key=lambda each: each.label in AT_LAST):
        is_introspection = operation.label == "POST /auth/introspect"
        session = logged_in(url, None if is_introspection else "staff")
        case = operation.Case(media_type=next(iter(media_types(operation)), None), **asked.get(operation.label, {}))
        answer = case.call(base_url=url, session=session, auth=CLIENT if is_introspection else None)
        case.validate_response(answer, checks=CHECKS)
        if answer.status_code >= 300 and operation.label not in TESTED_ELSEWHERE:
            bad.append(f"{operation.label}: {answer.status_code} {answer.text}")
    return bad


def media_types(operation: Any) -> list[str]:
    return [each.media_type for each in operation.body]


async def test_every_good_answer_is_in_the_document(cast: Cast, database_url: str):
    await cast.add("staff", is_staff=True)

    async with listening(database_url) as url:
        assert await asyncio.to_thread(every_badly_answered, url) == []


async def test_the_document_says_what_every_answer_contains(database_url: str):
    async with listening(database_url) as url:
        document = (await asyncio.to_thread(requests.get, f"{url}/openapi.json", timeout=10)).json()

    assert not [
        f"{method} {path} {status}"
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        for status, answer in operation["responses"].items()
        if not answer.get("content") and status not in WITHOUT_CONTENT and (path, status) != EMPTY
    ]
