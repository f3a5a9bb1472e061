"""What an operator is told of a PostgreSQL that cannot be reached: why, and what to do about just that."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

import pytest

from bridge.errors import DatabaseUnavailable
from bridge.store.database import open_database
from tests.conftest import with_database

PASSWORD: Final = "pa55phrase"

Answering = Callable[[bytes], AbstractAsyncContextManager[str]]


@pytest.fixture
def answering() -> Answering:
    """Start what answers whoever connects with the same bytes, and give a URL of it."""

    @asynccontextmanager
    async def start(answer: bytes) -> AsyncIterator[str]:
        async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.write(answer)
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(respond, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            yield f"postgresql://bridge:{PASSWORD}@127.0.0.1:{port}/shop?sslmode=disable"

    return start


def refusal(code: str, message: str) -> bytes:
    """A server's ErrorResponse (PostgreSQL, "Message Formats")."""
    fields = b"".join(field.encode() + b"\0" for field in ("SFATAL", "VFATAL", f"C{code}", f"M{message}")) + b"\0"
    return b"E" + (len(fields) + 4).to_bytes(4) + fields


async def why_not(url: str) -> DatabaseUnavailable:
    with pytest.raises(DatabaseUnavailable) as caught:
        await open_database(url)
    return caught.value


REFUSALS: Final = {
    "wrong_password": ("28P01", 'password authentication failed for user "bridge"', "user and password", "%40"),
    "unknown_role": ("28000", 'role "bridge" does not exist', "user", "CREATE ROLE"),
    "role_without_login": ("28000", 'role "bridge" is not permitted to log in', "user", "LOGIN"),
    "no_database": ("3D000", 'database "shop" does not exist', "no such database", "name"),
    "no_line_for_it": (
        "28000",
        'no pg_hba.conf entry for host "192.0.2.1", user "bridge", database "shop", no encryption',
        "pg_hba.conf",
        "sslmode=require",
    ),
    "no_right_to_connect": ("42501", 'permission denied for database "shop"', "may not connect", "GRANT CONNECT"),
    "no_room": ("53300", "sorry, too many clients already", "connections are taken", "max_connections"),
    "a_poolers_wrong_password": ("08P01", "SASL authentication failed", "user and password", "%40"),
    "a_poolers_no_database": ("08P01", "no such database: shop", "no such database", "name"),
    "starting": ("57P03", "the database system is starting up", "starting or stopping", "a moment"),
    "another_language": (
        "28P01",
        "Passwort-Authentifizierung fehlgeschlagen",
        "OperationalError",
        "Check BRIDGE_DATABASE_URL",
    ),
}


@pytest.mark.parametrize("others", ["127.0.0.1:1,{}", "{},127.0.0.1:1"], ids=["before", "after"])
async def test_what_a_server_says_counts_more_than_that_none_is_at_another_address(answering: Answering, others: str):
    """As with `localhost`, which is ::1 as well."""
    async with answering(refusal("28P01", 'password authentication failed for user "bridge"')) as url:
        scheme, _, place = url.partition("127.0.0.1:")
        port, _, rest = place.partition("/")
        told = await why_not(f"{scheme}{others.format(f'127.0.0.1:{port}')}/{rest}")

    assert "user and password" in str(told)


@pytest.mark.parametrize(("code", "message", "naming", "cure"), REFUSALS.values(), ids=REFUSALS.keys())
async def test_a_refusal_of_the_server_has_a_reason_and_a_cure_of_its_own(
    answering: Answering, code: str, message: str, naming: str, cure: str
):
    async with answering(refusal(code, message)) as url:
        told = await why_not(url)

    assert naming in str(told)
    assert cure in told.cure
    assert not re.search(rf"{PASSWORD}|192\.0\.2\.1|shop", f"{told} {told.cure}")


async def test_a_server_that_wants_a_password_which_the_url_lacks_is_pointed_out(answering: Answering):
    async with answering(b"R\0\0\0\x08\0\0\0\x03") as url:  # AuthenticationCleartextPassword
        told = await why_not(url.replace(f":{PASSWORD}", ""))

    assert "wants a password" in str(told)


async def test_what_answers_and_is_no_postgresql_is_pointed_out(answering: Answering):
    async with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as url:
        told = await why_not(url)

    assert "no PostgreSQL" in str(told)
    assert "port" in told.cure


async def test_a_port_on_which_nobody_listens_is_told_from_a_host_that_nobody_knows():
    told = await why_not("postgresql://bridge:pa55phrase@127.0.0.1:1/shop")

    assert "nobody listens" in str(told)
    assert "port" in told.cure


TOO_LONG: Final = ".".join(["a" * 60] * 5)
"""A host's name that no resolver sends anywhere."""


@pytest.mark.parametrize("host", [TOO_LONG, "a" * 70, "db..internal"], ids=["unknown", "long_label", "empty_label"])
async def test_a_host_that_nobody_knows_is_pointed_out(host: str):
    told = await why_not(f"postgresql://bridge:pa55phrase@{host}/shop")

    assert "host" in str(told)
    assert "host" in told.cure


@pytest.mark.parametrize(
    "url",
    [f"postgresql://bridge:pa55@phrase.{TOO_LONG}/shop", "postgresql://bridge:pa55/phrase@127.0.0.1/shop"],
    ids=["at", "slash"],
)
async def test_a_piece_of_the_password_that_was_read_as_the_host_is_not_quoted_and_how_to_write_it_is(url: str):
    told = await why_not(url)

    assert "%40" in told.cure
    assert not re.search("pa55|phrase", f"{told} {told.cure}")


@pytest.mark.parametrize(
    "rest", ["127.0.0.1:abc/shop", "127.0.0.1:99999/shop", "127.0.0.1/shop?sslmode=often"], ids=ascii
)
async def test_a_url_that_is_not_understood_is_no_unreachable_server(rest: str):
    told = await why_not(f"postgresql://bridge:pa55phrase@{rest}")

    assert "BRIDGE_DATABASE_URL" in str(told)
    assert "Use postgresql://" in told.cure


async def test_a_socket_that_is_not_there_is_no_unknown_host():
    told = await why_not("postgresql:///shop?host=/nowhere")

    assert "nobody listens" in str(told)


async def test_a_real_servers_words_are_understood(postgresql_server: str):
    told = await why_not(with_database(postgresql_server, "nowhere"))

    assert "no such database" in str(told)
