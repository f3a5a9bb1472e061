"""Whether what the bridge asks beside the database is there: the Django site, and where tries are counted."""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.web.composition import neighbour_findings
from tests.conftest import settings_for
from tests.integration.test_proxy_tls import certificate
from tests.store.test_rate_limits import redis_server, running

__all__ = ["certificate", "redis_server"]

NOBODY = "127.0.0.1:1"


async def found(**settings: str) -> dict[str, str]:
    """Give the findings' codes, and what each says."""
    told = await neighbour_findings(settings_for("sqlite:///site.sqlite3", **settings))
    assert not [each for each in told if each.blocking]
    return {each.code: each.message for each in told}


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


async def test_where_none_is_named_nothing_is_missing():
    assert await found() == {}


async def test_a_site_that_listens_is_there(listening: int):
    assert await found(upstream=f"http://127.0.0.1:{listening}") == {}


async def test_a_site_that_listens_on_a_socket_file_is_there(tmp_path: Path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "site.sock"))
        listener.listen()

        assert await found(upstream=f"unix:{tmp_path / 'site.sock'}") == {}


async def test_a_site_in_this_process_is_there():
    assert await found(upstream="wsgi:legacy_django.wsgi:application") == {}


@pytest.mark.parametrize(
    ("upstream", "why"),
    [
        pytest.param(f"http://{NOBODY}", "nobody listens there", id="nobody"),
        pytest.param("http://no-such-host.invalid", "nobody knows its host", id="host"),
        pytest.param("http://a..b", "nobody knows its host", id="no-host"),
        pytest.param("unix:/nowhere/the.sock", "there is no such file", id="no-file"),
    ],
)
async def test_a_site_that_is_not_there_is_told_with_the_reason(upstream: str, why: str):
    assert await found(upstream=upstream) == {
        "upstream-unreachable": f"The Django site cannot be reached where BRIDGE_UPSTREAM says: {why}"
    }


async def test_a_socket_file_that_nobody_listens_on_any_more_is_told(tmp_path: Path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "site.sock"))

    told = await found(upstream=f"unix:{tmp_path / 'site.sock'}")

    assert told["upstream-unreachable"].endswith(": nobody listens there")


@pytest.mark.parametrize("trusted", [True, False], ids=["trusted", "untrusted"])
async def test_a_site_by_tls_is_there_if_its_certificate_is_trusted(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, *, trusted: bool
):
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=tls) as listener:
        host, port = listener.sockets[0].getsockname()
        told = await found(upstream=f"https://{host}:{port}")

    assert list(told) == ([] if trusted else ["upstream-unreachable"])
    assert trusted or told["upstream-unreachable"].endswith(": its certificate is not trusted here")


async def test_a_storage_of_tries_that_answers_is_there(redis_server: str, tmp_path: Path):
    with running(redis_server, tmp_path / "redis.sock"):
        assert await found(rate_limit_storage=f"redis+unix://{tmp_path / 'redis.sock'}") == {}


async def test_a_storage_of_tries_that_does_not_answer_is_told_without_its_password():
    told = await found(rate_limit_storage=f"redis://:swordfish@{NOBODY}/0")

    assert list(told) == ["tries-not-shared"]
    assert "swordfish" not in str(told)
