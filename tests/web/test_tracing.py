"""Spans of OpenTelemetry: whose trace they belong to, and what is in none of them."""

import os
from typing import Any, Final

import httpx
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode, Tracer
from starlette.responses import Response

from bridge.web.app import create_app
from bridge.web.tracing import Tracing
from tests.conftest import CHECKOUT, PASSWORD, Cast, bearer, log_in, running, settings_for, site_environment
from tests.forked import run_module
from tests.site.telling import router
from tests.web.conftest import before_any_database
from tests.web.front import UPSTREAM

TRACE: Final = "0af7651916cd43dd8448eb211c80319c"
PARENT: Final = "b7ad6b7169203331"
TRACEPARENT: Final = f"00-{TRACE}-{PARENT}-01"


class Spans(InMemorySpanExporter):
    """What was exported."""

    @property
    def tracer(self) -> Tracer:
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self))
        return provider.get_tracer("tests")

    def taken(self) -> list[ReadableSpan]:
        """Those since the last look."""
        found = list(self.get_finished_spans())
        self.clear()
        return found


@pytest.fixture
def spans() -> Spans:
    return Spans()


def traced(url: str, spans: Spans, **settings: Any) -> Any:
    return running(create_app(settings_for(url, **settings), routers=[router], tracer=spans.tracer))


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def of_requests(spans: Spans) -> list[ReadableSpan]:
    return [span for span in spans.taken() if "http.request.method" in attributes(span)]


async def test_a_request_is_a_span_with_its_statement_below_it(service_url: str, cast: Cast, spans: Spans):
    await cast.add("ada")
    async with traced(service_url, spans) as client:
        headers = await bearer(client, "ada")
        spans.taken()
        await client.get("/users/me/", headers=headers)

    statement, request = spans.taken()
    assert (request.name, request.parent) == ("GET /users/me/", None)
    assert attributes(request) == {
        "http.request.method": "GET",
        "url.scheme": "http",
        "http.response.status_code": 200,
        "http.route": "/users/me/",
        "bridge.side": "bridge",
    }
    assert "auth_user" in attributes(statement)["db.query.text"]
    assert statement.parent is not None
    assert request.context is not None
    assert statement.parent.span_id == request.context.span_id


@before_any_database
async def test_a_trace_goes_on_through_the_bridge_to_django(service_url: str, spans: Spans):
    async with traced(service_url, spans, upstream=UPSTREAM) as client:
        told = (await client.get("/elsewhere/?a=b", headers={"traceparent": TRACEPARENT})).json()
        began = (await client.get("/elsewhere/")).json()

    passed, first = of_requests(spans)
    assert passed.parent is not None
    assert passed.context is not None
    assert (f"{passed.context.trace_id:032x}", f"{passed.parent.span_id:016x}") == (TRACE, PARENT)
    assert told["traceparent"] == f"00-{TRACE}-{passed.context.span_id:016x}-01"
    assert attributes(passed)["bridge.side"] == "legacy"
    assert (first.parent, began["traceparent"].split("-")[1] == TRACE) == (None, False)


@before_any_database
async def test_without_tracing_a_traces_header_passes_as_it_came(service_url: str):
    async with running(create_app(settings_for(service_url, upstream=UPSTREAM))) as client:
        assert (await client.get("/", headers={"traceparent": TRACEPARENT})).json()["traceparent"] == TRACEPARENT
        assert "traceparent" not in (await client.get("/")).json()


@before_any_database
async def test_a_failure_is_told_by_its_kind_alone(service_url: str, spans: Spans):
    async with traced(service_url, spans) as client:
        answer = await client.get("/broken/")

    [failed] = of_requests(spans)
    assert answer.status_code == httpx.codes.INTERNAL_SERVER_ERROR
    assert failed.status.status_code is StatusCode.ERROR
    assert (failed.name, failed.status.description, list(failed.events)) == ("GET /broken/", None, [])


async def test_an_answer_that_says_so_is_a_failure(spans: Spans):
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(Tracing(Response(status_code=503), spans.tracer)), base_url="http://bridge"
    ) as client:
        await client.get("/")

    [failed] = of_requests(spans)
    assert (failed.status.status_code, attributes(failed)["error.type"]) == (StatusCode.ERROR, "503")


async def test_no_span_holds_what_a_client_sent_or_who_it_was(service_url: str, cast: Cast, spans: Spans):
    name = "some_unmistakable_name"
    await cast.add(name)
    sent = {"User-Agent": "unmistakable-agent", "X-Forwarded-For": "203.0.113.77"}
    async with traced(service_url, spans, upstream=UPSTREAM, registration="on") as client:
        before = await cast.stored_password(name)
        tokens = (await log_in(client, name)).json()
        await client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]}, headers=sent)
        await client.get("/accounts/reset/MQ/reset-token/?q=reset-token", headers=sent)
        await client.get("/moved/471147114711/?q=reset-token", headers=sent)
        await client.post("/auth/register", json={"username": name, "password": PASSWORD}, headers=sent)

    told = "".join(span.to_json() for span in spans.taken())
    secrets = [name, PASSWORD, before, await cast.stored_password(name), "reset-token", "471147114711", *sent.values()]
    assert "INSERT INTO bridge_grant" in told
    assert [each for each in (*secrets, tokens["access_token"], tokens["refresh_token"]) if each in told] == []


@pytest.mark.parametrize(("exporter", "is_on"), [(None, False), ("none", False), ("console", True)])
def test_nothing_of_the_sdk_is_imported_unless_it_is_asked_for(exporter: str | None, is_on: bool):  # noqa: FBT001
    named = {} if exporter is None else {"OTEL_TRACES_EXPORTER": exporter}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}

    done = run_module(
        "tests.site.tracing", environment=environment | site_environment("sqlite:///unused") | named, folder=CHECKOUT
    )

    assert done.stdout.splitlines()[:1] == [f"{is_on} {is_on}"], done.stderr


def test_an_exporter_that_is_not_there_stops_the_start_in_words():
    done = run_module(
        "tests.site.tracing",
        environment=site_environment("sqlite:///unused", OTEL_TRACES_EXPORTER="nonsense"),
        folder=CHECKOUT,
    )

    assert "names an exporter that is not installed" in done.stderr
