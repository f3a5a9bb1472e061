"""What changes at the site is noticed by the running bridge."""

import asyncio
import logging
from datetime import timedelta

import pytest

from bridge.web.app import create_app
from tests.conftest import Cast, FrozenClock, log_in, running, settings_for
from tests.web.conftest import PublishedProfile

BOUND = 20.0  # seconds, for a test that would otherwise wait for ever


async def test_a_site_that_becomes_unsafe_stops_the_upgrades_without_a_restart(
    service_url: str, cast: Cast, profile: PublishedProfile, clock: FrozenClock
):
    await cast.add("ada")
    before = await cast.stored_password("ada")
    app = create_app(settings_for(service_url), clock=clock, follow_every=timedelta(milliseconds=10))

    async with running(app) as client, asyncio.timeout(BOUND):
        assert (await client.get("/readyz")).json()["rehashing_is_safe"] is True
        await profile.make_unsafe()
        while (await client.get("/readyz")).json()["rehashing_is_safe"]:  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0)  # the follower has its turn

        assert (await log_in(client, "ada")).status_code == 200
    assert await cast.stored_password("ada") == before


async def test_the_header_that_says_https_is_followed(service_url: str, profile: PublishedProfile, clock: FrozenClock):
    """Until the bridge knows its name, anybody's word in it passes to the site."""
    settings = settings_for(service_url, upstream="http://127.0.0.1:9")
    app = create_app(settings, clock=clock, follow_every=timedelta(milliseconds=10))
    request = {"scheme": "http", "client": ("198.51.100.7", 1), "headers": [(b"x-scheme", b"https")]}

    def passed_on() -> list[bytes]:
        return [name for name, _ in app.state.cutover.forwarding.request_headers(request)]

    async with running(app), asyncio.timeout(BOUND):
        assert b"x-scheme" in passed_on()
        await profile.edit(lambda document: document["csrf"].update(secure_proxy_ssl_header=["HTTP_X_SCHEME", "https"]))
        while b"x-scheme" in passed_on():  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0)


async def test_a_start_beside_an_unsafe_site_is_warned_of(
    service_url: str, profile: PublishedProfile, clock: FrozenClock, caplog: pytest.LogCaptureFixture
):
    await profile.make_unsafe()

    async with running(create_app(settings_for(service_url), clock=clock)):
        assert "argon2-not-first" in caplog.text


async def test_the_log_warns_of_what_is_unsafe_and_of_nothing_else(
    service_url: str, profile: PublishedProfile, clock: FrozenClock, caplog: pytest.LogCaptureFixture
):
    def warnings() -> list[str]:
        return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]

    app = create_app(settings_for(service_url), clock=clock, follow_every=timedelta(milliseconds=10))
    async with running(app), asyncio.timeout(BOUND):
        assert warnings() == []
        await profile.make_unsafe()
        while not warnings():  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0)  # the follower has its turn

    assert ["argon2-not-first" in warning for warning in warnings()] == [True]
