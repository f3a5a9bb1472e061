"""The audit log: one line for each outcome, with what `docs/audit.md` says and nothing else."""

import json
import logging
import re
from collections.abc import Iterator
from io import StringIO
from typing import Any, Final

import httpx
import pytest

from bridge.services.logs import JsonFormatter
from bridge.services.recording import FIELDS
from tests.conftest import PASSWORD, Cast, Serve, bearer, log_in
from tests.web.conftest import before_any_database

pytestmark = before_any_database
OPERATION: Final = "GET /users/me/items/"


class Lines:
    """What the audit log has written, as JSON."""

    def __init__(self, stream: StringIO) -> None:
        self._stream = stream

    @property
    def text(self) -> str:
        return self._stream.getvalue()

    def new(self) -> list[dict[str, Any]]:
        """What was written since the last look, without what is the same for every line."""
        found = [json.loads(line) for line in self.text.splitlines()]
        self._stream.truncate(self._stream.seek(0))
        for line in found:
            assert line["message"] == line["event"]
            assert set(line) <= {"time", "level", "logger", "message", *FIELDS}
        return [{name: line[name] for name in FIELDS if name in line} for line in found]


@pytest.fixture
def lines() -> Iterator[Lines]:
    stream, logger = StringIO(), logging.getLogger("bridge.audit")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield Lines(stream)
    logger.removeHandler(handler)
    logger.setLevel(before)


async def test_each_login_is_one_line_that_says_why_it_was_refused(serve: Serve, cast: Cast, lines: Lines):
    key = {"user_id": str(await cast.add("ada", encoded="argon2$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$AAAA"))}
    inactive = {"user_id": str(await cast.add("old", is_active=False))}
    unusable = {"user_id": str(await cast.add("sso", encoded="!"))}
    here = {"address": "127.0.0.1"}
    async with serve(limit_account="1/hour") as client:
        for name in ("ada", "old", "sso", "nobody", "nobody"):
            await log_in(client, name, "wrong")

    found = lines.new()
    account = found[3].pop("account")
    assert re.fullmatch("[0-9a-f]{32}", account)
    refused = {"event": "login_refused"}
    assert found == [
        refused | key | here | {"reason": "wrong_password"},
        refused | inactive | here | {"reason": "inactive"},
        refused | unusable | here | {"reason": "no_usable_password"},
        refused | here | {"reason": "unknown"},
        {"event": "login_limited", "account": account, "reason": "account"} | here,
    ]


async def test_the_life_of_an_account_is_told_by_its_key_alone(serve: Serve, lines: Lines):
    async with serve(registration="on") as client:
        form = {"username": "some_unmistakable_name", "password": PASSWORD}
        key = str((await client.post("/auth/register", json=form)).json()["id"])
        await client.post("/auth/register", json=form)
        tokens = (await log_in(client, form["username"])).json()
        tokens = (await client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})).json()
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        await client.post(
            "/auth/password", json={"current_password": "x", "new_password": "swordfish swordfish"}, headers=headers
        )
        await client.post("/auth/logout", headers=headers)
    written = lines.text

    assert [(line["event"], line.get("user_id"), line.get("reason")) for line in lines.new()] == [
        ("registered", key, None),
        ("registration_refused", None, "username_taken"),
        ("login_succeeded", key, None),
        ("refresh_rotated", key, None),
        ("password_change_refused", key, "wrong_password"),
        ("logged_out", key, None),
    ]
    secrets = (form["username"], PASSWORD, "swordfish", *tokens.values())
    assert [each for each in secrets if isinstance(each, str) and len(each) > 6 and each in written] == []


async def test_a_registration_that_the_sites_table_refuses_is_told(serve: Serve, cast: Cast, lines: Lines):
    await cast.add("grace", email="grace@example.com")
    await cast.database.execute("CREATE UNIQUE INDEX one_address ON auth_user (email)")
    form = {"username": "ada", "password": PASSWORD, "email": "grace@example.com"}
    async with serve(registration="on") as client:
        await client.post("/auth/register", json=form)

    (line,) = lines.new()
    assert (line["event"], line["reason"]) == ("registration_refused", "site_demands_more")


async def test_who_moved_an_endpoint_is_told(serve: Serve, cast: Cast, lines: Lines):
    key = str(await cast.add("staff", is_staff=True))
    async with serve() as client:
        headers = await bearer(client, "staff")
        lines.new()
        change = {"operation": OPERATION, "stage": "canary", "share": "5%", "reason": "a beginning"}
        moved = await client.put("/migration/endpoints/stage", json=change, headers=headers)
        assert moved.status_code == 200, moved.text
        await client.post("/migration/endpoints/rollback", json={"operation": None, "reason": "x"}, headers=headers)

    told = {"event": "stage_changed", "user_id": key, "operation": OPERATION}
    assert lines.new() == [told | {"stage": "canary", "share": "5%"}, told | {"stage": "legacy", "share": "0%"}]


async def test_who_took_a_token_back_and_who_may_not_ask_about_one_is_told(serve: Serve, cast: Cast, lines: Lines):
    key = {"user_id": str(await cast.add("ada")), "address": "127.0.0.1"}
    async with serve(introspection_clients={"shop": "s" * 32}) as client:
        tokens = (await log_in(client, "ada")).json()
        lines.new()
        for token in ("nobody believes this", tokens["access_token"], tokens["refresh_token"]):
            assert (await client.post("/auth/revoke", data={"token": token})).status_code == 200
        revoked = lines.new()
        for client_of_the_sites in (("shop", "wrong"), ("unmistakable", "s" * 32), ("shop", "s" * 32)):
            await client.post("/auth/introspect", data={"token": "x"}, auth=client_of_the_sites)
        assert "unmistakable" not in lines.text

    told = {"event": "token_revoked"} | key
    assert revoked == [told | {"reason": "access"}, told | {"reason": "refresh"}]
    refused = {"event": "introspection_refused", "address": "127.0.0.1"}
    assert lines.new() == [refused | {"reason": "wrong_secret"}, refused | {"reason": "unknown_client"}]


async def test_an_address_that_a_proxy_made_up_is_not_written(serve: Serve, lines: Lines):
    async with serve(trusted_proxies=("127.0.0.1",)) as client:
        client.headers["X-Forwarded-For"] = '"} {"event": "login_succeeded'
        await log_in(client, "nobody")

    [line] = lines.new()
    assert "address" not in line


async def test_metrics_do_not_say_why_a_login_was_refused(client: httpx.AsyncClient, cast: Cast):
    await cast.add("old", is_active=False)
    before = (await client.get("/metrics")).text

    changed = []
    for name in ("old", "nobody"):
        await log_in(client, name, "wrong")
        after = (await client.get("/metrics")).text
        changed.append({line.split(" ")[0] for line in set(after.splitlines()) - set(before.splitlines())})
        before = after

    assert changed[0] == changed[1] == {'bridge_events_total{event="login_refused"}'}
