"""Who the client is, where a proxy says so: BRIDGE_TRUSTED_PROXIES."""

from typing import Any

import httpx
import pytest
from fastapi import APIRouter, Request
from pydantic import ValidationError

from bridge.web.admission import client_of
from bridge.web.app import create_app
from tests.conftest import settings_for

router = APIRouter()


@router.get("/who")
async def who(request: Request) -> dict[str, Any]:
    return {"address": client_of(request).address, "scheme": request.url.scheme}


async def seen(url: str, *, peer: str, headers: dict[str, str], trusted: tuple[str, ...]) -> Any:
    app = create_app(settings_for(url, trusted_proxies=trusted), routers=[router])
    transport = httpx.ASGITransport(app, client=(peer, 1234))
    async with httpx.AsyncClient(transport=transport, base_url="http://bridge") as client:
        return (await client.get("/who", headers=headers)).json()


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "address"),
    [
        pytest.param("10.0.0.1", "203.0.113.9", ("10.0.0.0/8",), "203.0.113.9", id="a-trusted-proxys-word"),
        pytest.param("10.0.0.1", "203.0.113.9", (), "10.0.0.1", id="nobody-is-trusted-by-default"),
        pytest.param("127.0.0.1", "203.0.113.9", (), "127.0.0.1", id="nor-is-this-machine"),
        pytest.param("198.51.100.7", "203.0.113.9", ("10.0.0.0/8",), "198.51.100.7", id="a-strangers-word"),
        pytest.param("10.0.0.1", "1.1.1.1, 203.0.113.9", ("10.0.0.1",), "203.0.113.9", id="what-the-client-made-up"),
        pytest.param("10.0.0.1", "203.0.113.9, 10.0.0.2", ("10.0.0.0/8",), "203.0.113.9", id="two-proxies"),
    ],
)
async def test_the_client_is_the_last_one_that_no_trusted_proxy_is(
    sqlite_url: str, peer: str, forwarded: str, trusted: tuple[str, ...], address: str
):
    found = await seen(sqlite_url, peer=peer, headers={"X-Forwarded-For": forwarded}, trusted=trusted)

    assert found["address"] == address


@pytest.mark.parametrize(("trusted", "scheme"), [(("10.0.0.1",), "https"), ((), "http")], ids=str)
async def test_the_scheme_is_a_trusted_proxys_to_say(sqlite_url: str, trusted: tuple[str, ...], scheme: str):
    found = await seen(sqlite_url, peer="10.0.0.1", headers={"X-Forwarded-Proto": "https"}, trusted=trusted)

    assert found["scheme"] == scheme


@pytest.mark.parametrize("proxy", ["*", "proxy.internal", "10.0.0.0/40", ""], ids=ascii)
def test_a_proxy_is_named_by_its_address(sqlite_url: str, proxy: str):
    with pytest.raises(ValidationError, match="neither an address nor a network"):
        settings_for(sqlite_url, trusted_proxies=(proxy,))
