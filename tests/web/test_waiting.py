"""A bridge that starts while its database is away."""

import asyncio
import logging
import sqlite3
from http import HTTPStatus
from pathlib import Path
from typing import Final

import pytest

from bridge.errors import DatabaseUnavailable
from bridge.web.app import create_app
from tests.conftest import running, settings_for
from tests.site.telling import router
from tests.web.conftest import assert_problem
from tests.web.front import UPSTREAM, by

SECONDS: Final = 20.0


async def test_the_site_answers_everything_and_the_bridges_own_paths_say_what_is_missing(tmp_path: Path):
    app = create_app(settings_for(f"sqlite:///{tmp_path}/away.sqlite3", upstream=UPSTREAM), routers=[router])

    async with running(app) as client:
        for path in ("/", "/moved/", "/orders/", "/nothing/of/this/"):
            assert by(await client.get(path)) == "django", path
        assert (await client.get("/healthz")).status_code == 200
        for path in ("/readyz", "/users/me/", "/migration/report"):
            assert_problem(await client.get(path), status=503, code="database_unavailable")


async def test_what_keeps_the_service_from_beginning_is_logged_until_it_is_mended(
    tmp_path: Path, sqlite_url: str, caplog: pytest.LogCaptureFixture
):
    """A database without the bridge's tables: the site goes on, and nobody has to restart anything."""
    file, whole = tmp_path / "away.sqlite3", Path(sqlite_url.removeprefix("sqlite:///"))
    app = create_app(settings_for(f"sqlite:///{file}", upstream=UPSTREAM), routers=[router])

    with caplog.at_level(logging.CRITICAL, "bridge.web.cutover.waiting"):
        async with running(app) as client, asyncio.timeout(SECONDS):
            sqlite3.connect(file).executescript("CREATE TABLE other (id integer)")
            while not caplog.records:  # noqa: ASYNC110  # nobody tells
                await asyncio.sleep(0.01)
            before = by(await client.get("/moved/")), (await client.get("/readyz")).status_code
            await asyncio.to_thread(whole.replace, file)
            while (await client.get("/readyz")).status_code != HTTPStatus.OK:  # noqa: ASYNC110  # likewise
                await asyncio.sleep(0.01)
            after = by(await client.get("/moved/"))

    assert (before, after) == (("django", 503), "django")
    assert len(caplog.records) == 1
    assert "bridge migrate" in caplog.text


async def test_why_the_database_is_away_is_logged_with_the_cure(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    app = create_app(settings_for(f"sqlite:///{tmp_path}/away.sqlite3", upstream=UPSTREAM), routers=[router])

    with caplog.at_level(logging.WARNING, "bridge.web.cutover.waiting"):
        async with running(app), asyncio.timeout(SECONDS):
            while not caplog.records:  # noqa: ASYNC110  # nobody tells
                await asyncio.sleep(0.01)

    [line] = [record.getMessage() for record in caplog.records if record.name == "bridge.web.cutover.waiting"]
    assert "there is no such file. Check BRIDGE_DATABASE_URL" in line


async def test_without_a_site_behind_it_there_is_nothing_to_start_for(tmp_path: Path):
    app = create_app(settings_for(f"sqlite:///{tmp_path}/away.sqlite3"), routers=[router])

    with pytest.raises(DatabaseUnavailable):
        async with running(app):
            pass
