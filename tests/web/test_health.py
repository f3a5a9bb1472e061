"""For load balancers, Prometheus and people: /healthz, /readyz, /metrics, /docs, /openapi.json."""

import re
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from bridge.services.recording import Event
from tests.conftest import CHECKOUT, Cast, Serve, bearer, execute_on_server, log_in
from tests.web.conftest import FULL_COST, PublishedProfile, assert_problem, before_any_database, events

on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


def end_every_connection(database_url: str, postgresql_server: str, *, and_allow_no_more: bool = False) -> None:
    """Do what a restart does to the connections that were open, or what an outage does."""
    name = urlsplit(database_url).path.removeprefix("/")
    if and_allow_no_more:
        execute_on_server(postgresql_server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        # It waits for their ends: one that is only about to end would still answer.
        connection.execute("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s", [name])


def allow_connections(database_url: str, postgresql_server: str) -> None:
    """End the outage."""
    name = urlsplit(database_url).path.removeprefix("/")
    execute_on_server(postgresql_server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


# Health ---------------------------------------------------------------------------------------------------------------


async def test_a_running_process_is_healthy(client: httpx.AsyncClient):
    answer = await client.get("/healthz")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_a_bridge_with_a_database_is_ready_and_says_that_re_hashing_is_safe(client: httpx.AsyncClient):
    answer = await client.get("/readyz")

    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "rehashing_is_safe": True})


@pytest.mark.parametrize("missing", [True, False], ids=["missing", "unsafe"])
async def test_a_site_that_is_not_ready_for_argon2_is_told_from_one_that_is(
    serve: Serve, profile: PublishedProfile, *, missing: bool
):
    await (profile.withdraw() if missing else profile.make_unsafe())

    async with serve(**FULL_COST) as client:
        answer = await client.get("/readyz")

    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "rehashing_is_safe": False})


@on_postgresql
async def test_a_bridge_without_its_database_is_healthy_and_not_ready(
    serve: Serve, database_url: str, postgresql_server: str
):
    async with serve() as client:
        end_every_connection(database_url, postgresql_server, and_allow_no_more=True)

        assert (await client.get("/healthz")).status_code == 200
        assert_problem(await client.get("/readyz"), status=503, code="not_ready")


@on_postgresql
@pytest.mark.parametrize("path", ["/users/me/", "/users/me/items/", "/migration/report", "/auth/token"])
async def test_a_request_that_meets_a_dead_connection_gets_a_problem_and_no_bug(
    serve: Serve, cast: Cast, database_url: str, postgresql_server: str, path: str
):
    await cast.add("staff", is_staff=True)
    async with serve() as client:
        headers = await bearer(client, "staff")
        end_every_connection(database_url, postgresql_server, and_allow_no_more=True)

        answer = await client.get(path, headers=headers)

        assert_problem(answer, status=503, code="database_unavailable")
        assert answer.headers["retry-after"] == "1"


@on_postgresql
async def test_a_login_that_meets_a_dead_connection_gets_an_oauth_error(
    serve: Serve, cast: Cast, database_url: str, postgresql_server: str
):
    await cast.add("ada")
    async with serve() as client:
        end_every_connection(database_url, postgresql_server, and_allow_no_more=True)

        answer = await log_in(client, "ada")

    assert (answer.status_code, answer.json()) == (
        503,
        {
            "error": "temporarily_unavailable",
            "error_description": "The database is not available",
            "detail": "The database is not available",
        },
    )
    assert answer.headers["retry-after"] == "1"


@on_postgresql
async def test_the_bridge_outlives_a_restart_of_the_database(
    serve: Serve, cast: Cast, database_url: str, postgresql_server: str
):
    await cast.add("ada")
    async with serve() as client:
        headers = await bearer(client, "ada")
        end_every_connection(database_url, postgresql_server)

        answers = [await client.get("/users/me/", headers=headers) for _ in range(12)]

    assert {answer.status_code for answer in answers} == {200}


@pytest.mark.parametrize("path", ["/users/me/", "/migration/report"])
async def test_a_table_that_went_away_is_a_problem_and_no_bug(client: httpx.AsyncClient, cast: Cast, path: str):
    await cast.add("staff", is_staff=True)
    headers = await bearer(client, "staff")
    await cast.database.execute("ALTER TABLE auth_user RENAME TO elsewhere")

    assert_problem(await client.get(path, headers=headers), status=503, code="database_unavailable")


# Metrics --------------------------------------------------------------------------------------------------------------


@before_any_database
async def test_every_metric_is_documented(serve: Serve):
    async with serve(upstream="http://127.0.0.1:9") as client:
        text = (await client.get("/metrics")).text

    exist = {name for name in re.findall(r"^# TYPE (\w+) ", text, re.MULTILINE) if not name.endswith("_created")}
    document = (CHECKOUT / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", document, re.MULTILINE)) == exist


@before_any_database
async def test_metrics_are_in_prometheus_text_format(client: httpx.AsyncClient):
    answer = await client.get("/metrics")

    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert "# TYPE bridge_events_total counter" in answer.text


@before_any_database
async def test_every_event_is_in_the_metrics_before_it_happens(client: httpx.AsyncClient):
    text = (await client.get("/metrics")).text

    assert [event for event in Event if f'bridge_events_total{{event="{event.value}"}} 0.0\n' not in text] == []


async def test_two_bridges_in_one_process_count_apart(serve: Serve, cast: Cast):
    await cast.add("ada")

    async with serve() as one, serve() as other:
        await log_in(one, "ada")

        assert (await events(one))["login_succeeded"] == 1
        assert await events(other) == {}


async def test_metrics_name_no_user(client: httpx.AsyncClient, cast: Cast):
    await cast.add("some_unmistakable_name")
    await log_in(client, "some_unmistakable_name")

    assert "some_unmistakable_name" not in (await client.get("/metrics")).text


# Documentation --------------------------------------------------------------------------------------------------------


async def openapi(client: httpx.AsyncClient) -> dict[str, Any]:
    document: dict[str, Any] = (await client.get("/openapi.json")).json()
    return document


@before_any_database
async def test_the_documentation_is_a_page(client: httpx.AsyncClient):
    answer = await client.get("/docs")

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")


async def schemes(client: httpx.AsyncClient) -> dict[str, Any]:
    found: dict[str, Any] = (await openapi(client))["components"]["securitySchemes"]
    return found


@before_any_database
async def test_openapi_offers_the_sites_session_cookie_by_its_name_there(serve: Serve, profile: PublishedProfile):
    await profile.edit(lambda document: document["sessions"].update(cookie_name="shop_session"))

    async with serve() as client:
        found = await schemes(client)

    assert {"type": "apiKey", "in": "cookie", "name": "shop_session"}.items() <= found["DjangoSession"].items()


@before_any_database
@pytest.mark.parametrize(
    ("method", "path", "ways"),
    [
        ("get", "/users/me/", {"BearerScheme", "DjangoSession"}),
        ("get", "/users/me/items/", {"BearerScheme", "DjangoSession"}),
        ("get", "/auth/token", {"BearerScheme"}),
        ("post", "/auth/logout", {"BearerScheme"}),
    ],
)
async def test_openapi_says_where_a_session_does(client: httpx.AsyncClient, method: str, path: str, ways: set[str]):
    offered = (await openapi(client))["paths"][path][method]["security"]

    assert {name for each in offered for name in each} == ways
    assert all(len(each) == 1 for each in offered)  # either does


@before_any_database
async def test_openapi_offers_oauth2s_password_flow(client: httpx.AsyncClient):
    [scheme] = [each for each in (await schemes(client)).values() if each["type"] == "oauth2"]

    assert scheme["flows"]["password"]["tokenUrl"] == "auth/token"


@before_any_database
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("post", "/auth/token"),
        ("post", "/auth/login"),
        ("post", "/auth/logout"),
        ("get", "/auth/token"),
        ("post", "/auth/register"),
        ("post", "/auth/password"),
        ("get", "/users/me/"),
        ("patch", "/users/me/"),
        ("get", "/users/me/items/"),
        ("get", "/migration/report"),
        ("get", "/healthz"),
        ("get", "/readyz"),
        ("get", "/metrics"),
    ],
)
async def test_openapi_describes_every_endpoint(client: httpx.AsyncClient, method: str, path: str):
    operation = (await openapi(client))["paths"][path][method]

    assert operation["summary"]
    assert operation["description"]


@before_any_database
@pytest.mark.parametrize(
    ("path", "content_type", "required"),
    [
        ("/auth/token", "application/x-www-form-urlencoded", ["grant_type"]),
        ("/auth/login", "application/json", ["username", "password"]),
        ("/auth/refresh", "application/json", ["refresh_token"]),
        ("/auth/revoke", "application/x-www-form-urlencoded", ["token"]),
        ("/auth/introspect", "application/x-www-form-urlencoded", ["token"]),
    ],
)
async def test_openapi_says_what_a_login_takes(
    client: httpx.AsyncClient, path: str, content_type: str, required: list[str]
):
    content = (await openapi(client))["paths"][path]["post"]["requestBody"]["content"]

    assert list(content) == [content_type]
    assert content[content_type]["schema"]["required"] == required


@before_any_database
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/users/me/"), ("PATCH", "/users/me/"), ("GET", "/users/me/items/"), ("GET", "/migration/report")],
)
async def test_openapi_asks_for_a_token_where_the_endpoint_does(client: httpx.AsyncClient, method: str, path: str):
    assert (await openapi(client))["paths"][path][method.lower()]["security"]
    assert (await client.request(method, path)).status_code == 401


# Everything else ------------------------------------------------------------------------------------------------------


@before_any_database
async def test_a_path_that_is_not_migrated_is_not_found(client: httpx.AsyncClient):
    assert_problem(await client.get("/shop/"), status=404, code="not_found")


@before_any_database
async def test_a_method_that_a_path_does_not_know_is_not_allowed(client: httpx.AsyncClient):
    answer = await client.delete("/users/me/")

    assert_problem(answer, status=405, code="method_not_allowed")
    assert answer.headers["allow"]


@before_any_database
async def test_a_token_endpoint_is_not_to_be_had_by_another_method(client: httpx.AsyncClient):
    assert (await client.put("/auth/token")).status_code == 405
