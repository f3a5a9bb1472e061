"""What a client notices of shadows, what is asked again and how, and what it all may cost. No database."""

import asyncio
import time
from contextvars import ContextVar
from datetime import timedelta
from typing import Any

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from bridge.cutover import WHOLE, Side, Stage, Standing, Verdict
from bridge.errors import DatabaseUnavailable
from bridge.web.cutover.shadow import Limits
from tests.web.shadowing import (
    REVERSED,
    SHADOWED,
    App,
    Front,
    Given,
    NoDatabase,
    answering,
    answering_in_turn,
    front,
)


def between(app: Any, upstream: Any, **more: Any) -> Front:
    return front(app, upstream, database=NoDatabase(), **more)


# What the client notices ----------------------------------------------------------------------------------------------


async def test_the_client_gets_djangos_answer_piece_by_piece():
    """Each message as it came, and each one at once."""
    headers = ((b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"X-Odd", b"\xff"))
    django = answering(b"piece", pieces=3, headers=headers)
    between_both = between(answering(), django)
    sent: list[Message] = []
    scope = {"type": "http", "method": "GET", "path": "/it/", "headers": []}

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(dict(message))

    await between_both(scope, receive, send)

    assert sent == [
        {"type": "http.response.start", "status": 200, "headers": list(headers)},
        *({"type": "http.response.body", "body": b"piece", "more_body": more} for more in (True, True, False)),
    ]
    assert await between_both.counted.settled() == [Verdict.MISMATCH]


async def test_the_candidate_is_run_after_the_answer():
    let_go = asyncio.Event()

    async def wait(scope: Scope) -> Given:
        await let_go.wait()
        return Given()

    both = between(App(wait), answering())

    assert (await both.ask()).status_code == 200
    assert both.counted.verdicts == []
    let_go.set()
    assert await both.counted.settled() == [Verdict.MATCH]


async def test_an_error_of_djangos_comes_through_and_is_compared_with_nothing():
    async def fail(scope: Scope) -> Given:
        raise ConnectionError("Django's own")

    both = between(answering(), App(fail))

    with pytest.raises(ConnectionError):
        await both.ask()
    assert (both.counted.verdicts, both.app.asked) == ([], [])  # type: ignore[attr-defined]


async def test_the_candidate_shares_nothing_with_the_clients_request():
    of_the_request: ContextVar[str] = ContextVar("of_the_request", default="")
    seen = []

    async def look(scope: Scope) -> Given:
        seen.append((of_the_request.get(), dict(scope.setdefault("state", {}))))
        scope["state"]["of the first"] = True
        return Given()

    both = between(App(look), App(look), standing=REVERSED)
    of_the_request.set("the client's")
    await both.ask()
    await both.counted.settled()

    assert seen == [("the client's", {}), ("", {})]


# What is asked again --------------------------------------------------------------------------------------------------


async def test_the_candidate_is_asked_what_the_client_asked():
    candidate = answering()
    both = between(candidate, answering())

    await both.ask(path="/it/%C3%A4?b&c=%20", headers={"Cookie": "sessionid=abc", "Accept-Language": "de"})
    await both.counted.settled()

    (scope,) = candidate.asked
    assert (scope["method"], scope["raw_path"], scope["query_string"]) == ("GET", b"/it/%C3%A4", b"b&c=%20")
    assert {(b"cookie", b"sessionid=abc"), (b"accept-language", b"de")} <= set(scope["headers"])
    assert scope["bridge.shadow"] is True


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("standing", [SHADOWED, REVERSED], ids=["shadow", "migrated"])
async def test_nothing_unsafe_is_asked_twice(method: str, standing: Standing):
    candidate, django = answering(), answering()
    both = between(candidate, django, standing=standing)

    await both.ask(method)
    await both.ask()
    assert await both.counted.settled() == [Verdict.MATCH]

    assert sorted(scope["method"] for scope in (*candidate.asked, *django.asked)) == sorted([method, "GET", "GET"])


async def test_head_is_compared_without_a_body():
    both = between(answering(b""), answering(b"{}"))

    await both.ask("HEAD")

    assert await both.counted.settled() == [Verdict.MATCH]


async def test_a_migrated_operation_is_compared_with_djangos_answer():
    candidate, django = answering(b'{"price": 1}'), answering(b'{"price": "1"}')
    both = between(candidate, django, standing=REVERSED)

    assert (await both.ask()).json() == {"price": 1}

    assert await both.counted.settled() == [Verdict.MISMATCH]
    assert (len(candidate.asked), len(django.asked)) == (1, 2)
    assert both.counted.runs == [(Side.LEGACY, 200)] * 2


async def test_where_django_disagrees_with_itself_it_is_noise():
    both = between(answering(b'{"at": 2}'), answering_in_turn(b'{"at": 1}', b'{"at": 3}'))

    await both.ask()

    assert await both.counted.settled() == [Verdict.NOISE]


@pytest.mark.parametrize(
    ("share", "drawn", "compared"),
    [(WHOLE, WHOLE - 1, True), (500, 499, True), (500, 500, False), (0, 0, False)],
    ids=["whole", "within", "beyond", "none"],
)
async def test_a_share_of_the_requests_is_compared(share: int, drawn: int, *, compared: bool):
    candidate = answering()
    both = between(candidate, answering(), standing=Standing(Stage.SHADOW, share), draw=lambda _: drawn)

    await both.ask()
    if compared:
        await both.counted.settled()

    assert len(candidate.asked) == compared
    assert both.counted.verdicts == [Verdict.MATCH] * compared


@pytest.mark.parametrize(
    "standing",
    [
        Standing(),
        Standing(Stage.CANARY, WHOLE),
        Standing(Stage.MIGRATED, 0),
        Standing(Stage.RETIRED),
    ],
    ids=lambda standing: standing.stage,
)
async def test_in_other_stages_nothing_is(standing: Standing):
    candidate, django = answering(), answering()
    both = between(candidate, django, standing=standing)

    await both.ask()

    assert len(candidate.asked) + len(django.asked) == 1
    await both.shadow.close()
    assert both.counted.verdicts == []


# Answers that depend on what a client has -----------------------------------------------------------------------------


@pytest.mark.parametrize("status", [304, 412])
async def test_an_answer_about_the_clients_own_copy_is_skipped(status: int):
    candidate = answering()
    both = between(candidate, answering(b"", status=status))

    await both.ask(headers={"If-None-Match": '"abc"'})

    assert await both.counted.settled() == [Verdict.SKIPPED]
    assert candidate.asked == []


async def test_where_django_errs_there_is_nothing_to_be_equal_to():
    candidate = answering()
    both = between(candidate, answering(status=502))

    await both.ask()

    assert await both.counted.settled() == [Verdict.SKIPPED]
    assert candidate.asked == []


async def test_where_the_new_handler_errs_and_django_does_not_it_failed():
    both = between(answering(status=500), answering(), standing=REVERSED)

    await both.ask()

    assert await both.counted.settled() == [Verdict.FAILED]


async def test_a_copy_that_django_did_not_know_is_not_told_to_the_candidate():
    """It might know it, and answer 304 to Django's 200."""
    candidate = answering()
    both = between(candidate, answering())

    await both.ask(headers={"If-None-Match": '"abc"', "If-Modified-Since": "Sat, 21 Nov 2026 12:00:00 GMT"})
    await both.counted.settled()

    assert not {b"if-none-match", b"if-modified-since"} & {name for name, _ in candidate.asked[0]["headers"]}


@pytest.mark.parametrize(
    ("status", "asked_for"), [(206, True), (416, True), (200, False)], ids=["given", "refused", "ignored"]
)
async def test_a_range_is_asked_for_where_django_looked_at_it(status: int, *, asked_for: bool):
    candidate = answering(status=status)
    both = between(candidate, answering(status=status))

    await both.ask(headers={"Range": "bytes=0-1", "If-Range": '"abc"'})

    assert await both.counted.settled() == [Verdict.MATCH]
    names = {name for name, _ in candidate.asked[0]["headers"]}
    assert (b"range" in names, b"if-range" in names) == (asked_for, False)


async def test_a_get_with_a_body_is_skipped():
    async def echo(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    candidate = answering()
    both = between(candidate, echo)

    await both.ask(content=b"a body")

    assert await both.counted.settled() == [Verdict.SKIPPED]
    assert candidate.asked == []


# Candidates that misbehave --------------------------------------------------------------------------------------------


async def misbehaving(scope: Scope) -> Given:
    raise KeyError("price")


async def hanging(scope: Scope) -> Given:
    await asyncio.Event().wait()
    return Given()


@pytest.mark.parametrize("respond", [misbehaving, hanging], ids=lambda respond: respond.__name__)
async def test_a_candidate_without_an_answer_failed(respond, caplog: pytest.LogCaptureFixture):
    both = between(App(respond), answering(), limits=Limits(deadline=timedelta(milliseconds=50)))

    assert (await both.ask()).status_code == 200

    assert await both.counted.settled() == [Verdict.FAILED]
    assert both.counted.runs == [(Side.BRIDGE, 500)]
    assert len(caplog.records) == 1


@pytest.mark.parametrize("endless", ["app", "upstream"])
async def test_an_answer_that_is_too_long_is_skipped(endless: str):
    long = answering(b"x" * 100, pieces=100, headers=())
    apps = {"app": answering(headers=()), "upstream": answering(headers=()), endless: long}
    both = between(apps["app"], apps["upstream"], limits=Limits(longest=1000))

    assert len((await both.ask()).content) == (10_000 if endless == "upstream" else 2)

    assert await both.counted.settled() == [Verdict.SKIPPED]


async def test_a_candidate_is_not_let_answer_for_ever():
    pieces = 0

    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal pieces
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while True:
            pieces += 1
            await send({"type": "http.response.body", "body": b"x" * 100, "more_body": True})

    both = between(stream, answering(headers=()), limits=Limits(longest=1000))
    await both.ask()

    assert await both.counted.settled() == [Verdict.SKIPPED]
    assert pieces == 11


async def test_a_candidate_that_waits_for_its_client_to_leave_is_told_so():
    """As a server does once the answer is complete."""
    received: list[str] = []

    async def linger(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})
        received.append((await receive())["type"])

    both = between(linger, answering(headers=()))
    await both.ask()

    assert await both.counted.settled() == [Verdict.MATCH]
    assert received == ["http.disconnect"]


async def test_a_database_that_gives_no_connection_is_not_the_candidates_fault():
    class Away(NoDatabase):
        def read_only(self, *, statement_timeout: timedelta) -> Any:
            raise DatabaseUnavailable("away")

    both = front(answering(), answering(), database=Away())
    await both.ask()

    assert await both.counted.settled() == [Verdict.SKIPPED]


# What it may cost -----------------------------------------------------------------------------------------------------


@pytest.fixture
def now() -> list[float]:
    """The monotonic clock, which a test moves."""
    return [1000.0]


async def asked_many(both: Front, number: int) -> list[httpx.Response]:
    return await asyncio.gather(*(both.ask() for _ in range(number)))


async def test_what_is_beyond_the_budget_is_dropped_and_counted(now: list[float]):
    candidate = answering()
    both = between(candidate, answering(), limits=Limits(per_second=10), monotonic=lambda: now[0])

    answers = await asked_many(both, 20)

    assert {each.status_code for each in answers} == {200}
    assert sorted(await both.counted.settled(20)) == [Verdict.DROPPED] * 15 + [Verdict.MATCH] * 5
    now[0] += 1
    await asked_many(both, 20)
    assert sorted(await both.counted.settled(40)) == [Verdict.DROPPED] * 30 + [Verdict.MATCH] * 10
    assert len(candidate.asked) == 10


async def test_comparisons_that_are_dear_are_paid_back_first(now: list[float]):
    """Of two long answers that differ everywhere."""
    long = b"[" + b", ".join(b'{"id": %d}' % number for number in range(500)) + b"]"
    limits = Limits(comparing=timedelta(microseconds=10))
    both = between(answering(long.replace(b"id", b"ID")), answering(long), limits=limits, monotonic=lambda: now[0])

    await both.ask()
    await both.counted.settled()
    now[0] += 2
    await both.ask()
    now[0] += 3600
    await both.ask()

    assert await both.counted.settled(3) == [Verdict.MISMATCH, Verdict.DROPPED, Verdict.MISMATCH]


async def test_what_would_wait_in_too_long_a_line_is_dropped():
    let_go = asyncio.Event()
    running: list[int] = []

    async def wait(scope: Scope) -> Given:
        running.append(1)
        await let_go.wait()
        return Given()

    both = between(App(wait), answering(), limits=Limits(per_second=1000, at_once=2, open=5))

    await asked_many(both, 20)

    assert both.counted.verdicts == [Verdict.DROPPED] * 15
    assert len(running) <= 2
    let_go.set()
    assert (await both.counted.settled(20)).count(Verdict.MATCH) == 5
    await both.ask()
    assert (await both.counted.settled(21))[-1] is Verdict.MATCH


async def test_answers_that_are_under_way_are_bounded_too():
    """Each of them is kept until it is complete."""
    let_go = asyncio.Event()

    async def slow(scope: Scope) -> Given:
        await let_go.wait()
        return Given()

    django = App(slow)
    both = between(answering(), django, limits=Limits(per_second=1000, open=5))
    asking = asyncio.create_task(asked_many(both, 20))
    await django.asked.of(20)
    let_go.set()
    await asking

    verdicts = await both.counted.settled(20)
    assert (verdicts.count(Verdict.DROPPED), verdicts.count(Verdict.MATCH)) == (15, 5)


async def test_a_client_that_leaves_gives_its_place_back():
    async def fail(scope: Scope) -> Given:
        raise ConnectionError

    both = between(answering(), App(fail), limits=Limits(per_second=1000, open=1))
    for _ in range(3):
        with pytest.raises(ConnectionError):
            await both.ask()
    both.upstream = answering()
    await both.ask()

    assert await both.counted.settled() == [Verdict.MATCH]


async def test_an_answer_that_broke_off_is_counted_as_skipped():
    async def breaks_off(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise ConnectionError

    both = between(answering(), breaks_off)
    with pytest.raises(ConnectionError):
        await both.ask()

    assert await both.counted.settled() == [Verdict.SKIPPED]


async def test_what_waited_too_long_for_its_turn_is_dropped(now: list[float]):
    let_go = asyncio.Event()

    async def wait(scope: Scope) -> Given:
        await let_go.wait()
        return Given()

    candidate = App(wait)
    both = between(candidate, answering(), limits=Limits(at_once=1), monotonic=lambda: now[0])
    await both.ask()
    await candidate.asked.of(1)
    await both.ask()
    now[0] += 6
    let_go.set()

    assert await both.counted.settled(2) == [Verdict.MATCH, Verdict.DROPPED]


async def test_closing_ends_what_is_under_way():
    both = between(App(hanging), answering())
    await asked_many(both, 5)
    began = time.monotonic()

    await both.shadow.close()

    assert time.monotonic() - began < 5
    assert both.counted.verdicts == []


@pytest.mark.parametrize(
    ("headers", "role"),
    [
        ({}, "anonymous"),
        ({"Cookie": "theme=dark"}, "unknown"),
        ({"Authorization": "Bearer abc"}, "unknown"),
    ],
    ids=["nothing", "a_cookie", "a_token"],
)
async def test_the_role_of_somebody_whom_nobody_looked_at(headers: dict[str, str], role: str):
    both = between(answering(), answering())

    await both.ask(headers=headers)

    await both.counted.settled()
    assert both.counted.roles == [role]


def test_the_limits_are_small_next_to_a_process():
    limits = Limits()

    assert limits.open * limits.longest <= 16 * 1024 * 1024
    assert limits.statement_timeout < limits.deadline
