"""What passes through the bridge is what Django answers: real servers, compared byte by byte."""

import asyncio
import hashlib
import http.client
import json
import re
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlencode, urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import PASSWORD, manage
from tests.processes import server
from tests.site.passing import PID_FILE, TRUSTED, UPSTREAM
from tests.wire import Answer, ask, connected, request

SITE: Final = {"DJANGO_SETTINGS_MODULE": "tests.site.passing_settings"}
IN_PROCESS: Final = "wsgi:legacy_django.wsgi:application"
GUNICORN: Final = ("gunicorn", "legacy_django.wsgi:application", "--bind", "127.0.0.1:0", "--no-control-socket")
AS_SERVED: Final = ("--no-server-header", "--no-proxy-headers", "--no-access-log")  # as `bridge serve` has uvicorn run
PROXY: Final = ("uvicorn", "--factory", "tests.site.passing:app", "--port", "0", *AS_SERVED)
MEGABYTE: Final = 1024 * 1024


@dataclass(frozen=True)
class Ways:
    """The same site, and two ways to it."""

    direct: str
    through: str
    pid_file: Path

    def both(self, sent: bytes) -> tuple[Answer, Answer]:
        return ask(self.direct, sent), ask(self.through, sent)


@pytest.fixture(scope="module")
def database(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("passing") / "site.sqlite3"
    path.write_bytes(migrated_sqlite.read_bytes())
    url = f"sqlite:///{path}"
    manage(url, "createsuperuser", "--noinput", "--username", "root", "--email", "r@example.com",
           DJANGO_SUPERUSER_PASSWORD=PASSWORD)  # fmt: skip
    return url


@pytest.fixture(scope="module", params=["sync", "gthread", "in-process"])
def ways(request: pytest.FixtureRequest, database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ways]:
    """Django under gunicorn, and the bridge before it, or with the site in its own process."""
    options = ("--threads", "4") if request.param == "gthread" else ()
    pid_file = tmp_path_factory.mktemp("proxy") / "pid"
    with ExitStack() as stack:
        direct = stack.enter_context(server(database, *GUNICORN, *options, **SITE))
        upstream = IN_PROCESS if request.param == "in-process" else direct
        told = {UPSTREAM: upstream, PID_FILE: str(pid_file)}
        yield Ways(direct, stack.enter_context(server(database, *PROXY, **SITE, **told)), pid_file)


# The battery ----------------------------------------------------------------------------------------------------------

FORM: Final = b"a=b&c=d%20e"
BATTERY: Final[dict[str, bytes]] = {
    "a-page": request("/"),
    "append-slash": request("/whoami"),
    "append-slash-keeps-the-query": request("/whoami?b&c=%20"),
    "append-slash-of-a-post": request("/whoami", "Content-Length: 0", method="POST"),
    "redirect-to-login": request("/orders/?page=2&x=%2F"),
    "redirect-elsewhere": request("/away/"),
    "not-found": request("/nothing/here/"),
    "method-not-allowed": request("/", method="DELETE"),
    "csrf-refusal": request("/accounts/login/", "Content-Length: 3", method="POST", body=b"a=b"),
    "a-view-that-raises": request("/failing/"),
    "host-not-allowed": request("/", host="evil.example"),
    "static-file": request("/static/admin/css/base.css"),
    "static-file-range": request("/static/admin/css/base.css", "Range: bytes=10-29"),
    "static-file-range-beyond": request("/static/admin/css/base.css", "Range: bytes=99999999-"),
    "several-cookies-set": request("/cookies/"),
    "cookies-sent": request("/echo/", 'Cookie: a=1; b="2 3"; c=', "Cookie: d=4"),
    "streamed": request("/stream/"),
    "streamed-head": request("/stream/", method="HEAD"),
    "whole": request("/ranged/"),
    "range": request("/ranged/", "Range: bytes=5-9"),
    "etag": request("/tagged/"),
    "etag-matches": request("/tagged/", 'If-None-Match: "a-tag"'),
    "etag-must-match": request("/tagged/", 'If-Match: "another"'),
    "not-compressed": request("/squeezed/"),
    "says-deflate-and-stays-as-it-is": request("/squeezed/", "Accept-Encoding: deflate"),
    "head": request("/", method="HEAD"),
    "options": request("/api/orders/", method="OPTIONS"),
    "options-of-a-page": request("/admin/login/", method="OPTIONS"),
    "no-content": request("/status/204/"),
    "not-modified": request("/status/304/"),
    "teapot": request("/status/418/"),
    "unavailable": request("/status/503/"),
    "query-without-values": request("/echo/?b&c=%20&d=+&e=%2B&&f==g"),
    "query-with-everything": request("/echo/?q=/?:@!$'()*,;&r=%C3%A9&s=%E9&t=%00&u=\"<>{}|\\^`"),
    "percent-encoded-path": request("/echo/a%20b%2Fc%3Fd%23e%25f/"),
    "non-ascii-path": request("/echo/%C3%A9t%C3%A9/%E2%82%AC"),
    "path-that-is-not-utf-8": request("/echo/%E9t%E9/"),
    "dots-in-a-path": request("/echo/a/../b/./c"),
    "slashes-in-a-path": request("/echo//a///b//"),
    "slashes-before-a-path": request("//echo/"),
    "path-parameters": request("/echo/a;b=c,d:e@f&g=h+i!$'()*"),
    "form": request("/echo/", "Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(FORM)}",
                    method="POST", body=FORM),
    "upload-without-a-type": request("/echo/", "Content-Length: 4", method="PUT", body=b"\x00\xff\r\n"),
    "post-without-a-body": request("/echo/", method="POST"),
    "post-of-nothing": request("/echo/", "Content-Length: 0", method="POST"),
    "delete-without-a-body": request("/echo/", method="DELETE"),
    "delete-with-a-body": request("/echo/", "Content-Length: 2", method="DELETE", body=b"{}"),
    "get-with-a-body": request("/echo/", "Content-Length: 2", body=b"{}"),
    "chunked-upload": request("/echo/", "Transfer-Encoding: chunked", method="POST", body=b"3\r\nabc\r\n0\r\n\r\n"),
    "expect-continue": request("/take/", "Content-Length: 4", "Expect: 100-continue", method="POST", body=b"body"),
    "long-header": request("/echo/", "X-Long: " + "x" * 7000),
    "headers-of-all-sorts": request("/echo/", "Accept: text/html", "Accept-Encoding: gzip, br", "User-Agent: a/1.0 (b)",
                                    "Authorization: Bearer e30", "X-UTF: \xc3\xa9", "X-Twice: 1", "X-Twice: 2",
                                    "X-Empty:", "Referer: http://127.0.0.1/"),
}  # fmt: skip


@pytest.mark.parametrize("sent", BATTERY.values(), ids=BATTERY.keys())
def test_an_answer_through_the_bridge_is_the_one_that_django_gives(ways: Ways, sent: bytes):
    direct, through = ways.both(sent)

    assert through.end_to_end() == direct.end_to_end()
    assert direct.is_whole


@pytest.mark.parametrize("sent", [request("/"), request("/stream/")], ids=["with-length", "chunked"])
def test_the_client_sees_one_date(ways: Ways, sent: bytes):
    assert len(ask(ways.through, sent).all(b"date")) == 1


def test_an_answer_that_django_compresses_stays_compressed(ways: Ways):
    """Django compresses with random bytes, so that no two of its answers are the same."""
    answer = ask(ways.through, request("/squeezed/", "Accept-Encoding: gzip"))

    assert answer.all(b"content-encoding") == [b"gzip"]
    assert answer.body.startswith(b"\x1f\x8b")


def test_several_cookies_stay_several_lines_in_their_order(ways: Ways):
    names = [value.partition(b"=")[0] for value in ask(ways.through, request("/cookies/")).all(b"set-cookie")]

    assert names == [b"first", b"second", b"third"]


def test_a_kept_connection_answers_again_and_again(ways: Ways):
    parts = urlsplit(ways.through)
    assert parts.hostname is not None
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
    for method, path in (("GET", "/stream/"), ("HEAD", "/"), ("POST", "/echo/"), ("GET", "/status/204/"), ("GET", "/")):
        connection.request(method, path)
        answer = connection.getresponse()
        answer.read()
        assert answer.status in {200, 204}
    connection.close()


# Who the client is ----------------------------------------------------------------------------------------------------


def test_django_is_told_of_the_true_client_and_of_nothing_that_it_made_up(ways: Ways):
    made_up = [f"{name}: 6.6.6.6" for name in ("X-Forwarded-For", "X_Forwarded_For", "X-Real-IP", "Forwarded")]
    more = ("X-Forwarded-Proto: https", "X-Forwarded-Ssl: on", "X-Forwarded-Prefix: /x", "SCRIPT_NAME: /x")

    told = json.loads(ask(ways.through, request("/forwarded/", *made_up, *more)).body)

    assert told == {
        "HTTP_X_FORWARDED_FOR": "127.0.0.1",
        "HTTP_X_FORWARDED_HOST": "127.0.0.1",
        "HTTP_X_FORWARDED_PORT": "80",
        "HTTP_X_FORWARDED_PROTO": "http",
        "HTTP_X_REAL_IP": "127.0.0.1",
    }


def test_nobody_makes_a_request_secure_by_saying_so(ways: Ways):
    answer = ask(ways.through, request("/echo/", "X-Forwarded-Proto: https", "X_FORWARDED_PROTO: https"))

    assert json.loads(answer.body)["known"]["secure"] is False


# Sizes ----------------------------------------------------------------------------------------------------------------

SIZE: Final = 100
ALLOWED_GROWTH: Final = 24 * MEGABYTE  # of a hundred that pass


def memory_of(ways: Ways) -> int:
    done = subprocess.run(["ps", "-o", "rss=", "-p", ways.pid_file.read_text()], capture_output=True, check=True)  # noqa: S607
    return int(done.stdout) * 1024


def test_a_hundred_megabytes_down_take_no_memory(ways: Ways):
    ask(ways.through, request("/big/?megabytes=1"))
    before = peak = memory_of(ways)
    received, marks = 0, 0
    with connected(ways.through) as connection:
        connection.sendall(request(f"/big/?megabytes={SIZE}"))
        while part := connection.recv(MEGABYTE):
            received += len(part)
            if received // (10 * MEGABYTE) > marks:
                marks += 1
                peak = max(peak, memory_of(ways))

    assert received > SIZE * MEGABYTE
    assert peak - before < ALLOWED_GROWTH


def test_a_hundred_megabytes_up_take_no_memory(ways: Ways):
    part = bytes(MEGABYTE)
    ask(ways.through, request("/take/", f"Content-Length: {MEGABYTE}", method="POST", body=part))
    before = peak = memory_of(ways)
    with connected(ways.through) as connection:
        connection.sendall(request("/take/", f"Content-Length: {SIZE * MEGABYTE}", method="POST"))
        for number in range(SIZE):
            connection.sendall(part)
            if number % 10 == 0:
                peak = max(peak, memory_of(ways))
        answer = connection.makefile("rb").read()

    told = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert told == {"length": SIZE * MEGABYTE, "digest": hashlib.sha256(part * SIZE).hexdigest()}
    assert peak - before < ALLOWED_GROWTH


@pytest.mark.parametrize("attempt", range(5))
def test_an_answer_that_does_not_wait_for_the_upload_gets_through(ways: Ways, attempt: int):
    """Django refuses by the headers alone, and gunicorn then closes on whoever is still sending."""
    size = 20 * MEGABYTE
    sent = request("/nothing/here/", f"Content-Length: {size}", method="POST").replace(b"close", b"keep-alive")
    with connected(ways.through) as connection, ThreadPoolExecutor(1) as pool:
        connection.sendall(sent)
        poured = pool.submit(connection.sendall, bytes(size))
        head = connection.recv(MEGABYTE)
        connection.shutdown(socket.SHUT_RDWR)
        poured.exception()

    assert head.startswith(b"HTTP/1.1 404 ")


# People ---------------------------------------------------------------------------------------------------------------

TOKEN: Final = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')


def test_one_logs_in_to_the_admin_through_the_bridge_and_changes_something_there(ways: Ways):
    with httpx.Client(base_url=ways.through) as client:
        page = client.get("/admin/login/?next=/admin/")
        token = TOKEN.search(page.text)
        assert token is not None
        form = {"csrfmiddlewaretoken": token[1], "username": "root", "password": PASSWORD, "next": "/admin/"}
        entered = client.post("/admin/login/?next=/admin/", data=form, headers={"Referer": str(page.url)})
        assert (entered.status_code, entered.headers["location"]) == (302, "/admin/")
        token = TOKEN.search(client.get("/admin/auth/group/add/").text)
        assert token is not None
        made = client.post("/admin/auth/group/add/", data={"csrfmiddlewaretoken": token[1], "name": f"by {ways}"[:150]})

        assert (made.status_code, made.headers["location"]) == (302, "/admin/auth/group/")


def test_a_form_without_its_token_is_refused_as_by_django(ways: Ways):
    with httpx.Client(base_url=ways.through) as client:
        client.get("/admin/login/")

        assert client.post("/admin/login/", data={"username": "root", "password": PASSWORD}).status_code == 403


# Cookies --------------------------------------------------------------------------------------------------------------

CLIENTS: Final = 16
# Each item: a client, and whether it sends back what it was given last.
Turns = st.lists(st.tuples(st.integers(0, CLIENTS - 1), st.booleans()), min_size=100, max_size=300)


async def took_turns(address: str, turns: list[tuple[int, bool]], *, named: str) -> list[tuple[bytes, bytes, bytes]]:
    """Have all clients ask at once, each on a connection of its own; give what they sent, were told, and were given."""
    parts = urlsplit(address)

    async def client(number: int) -> list[tuple[bytes, bytes, bytes]]:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        seen = []
        own = f"{named}-{number}".encode()
        for sends in [sends for each, sends in turns if each == number]:
            cookie = b"own=" + own if sends else b""
            line = b"Cookie: " + cookie + b"\r\n" if sends else b""
            writer.write(
                b"GET /remember/?%s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s\r\n" % (urlencode({"own": own}).encode(), line)
            )
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head)
            given = re.search(rb"set-cookie: (own=[\w-]+)", head)
            assert length is not None
            assert given is not None
            seen.append((cookie, await reader.readexactly(int(length[1])), given[1].replace(own, b"OWN")))
        writer.close()
        await writer.wait_closed()
        return seen

    return [each for seen in await asyncio.gather(*map(client, range(CLIENTS))) for each in seen]


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(turns=Turns, named=st.text("abcdefgh", min_size=1, max_size=8))
def test_no_cookie_of_one_client_ever_reaches_another(ways: Ways, turns: list[tuple[int, bool]], named: str):
    for sent, told, given_back in asyncio.run(took_turns(ways.through, turns, named=named)):
        assert told == sent
        assert given_back == b"own=OWN"


def test_a_trusted_proxys_word_is_passed_on(database: str):
    told = {UPSTREAM: IN_PROCESS, TRUSTED: '["127.0.0.0/8"]'}
    with server(database, *PROXY, **SITE, **told) as address:
        answer = ask(address, request("/forwarded/", "X-Forwarded-For: 203.0.113.9", "X-Forwarded-Proto: https"))

    assert json.loads(answer.body) == {
        "HTTP_X_FORWARDED_FOR": "203.0.113.9, 127.0.0.1",
        "HTTP_X_FORWARDED_PROTO": "https",
    }
