"""What a login leaves in the logs, at their most talkative: nothing that anybody could use."""

import logging

import httpx
import pytest

from tests.conftest import DJANGO_SECRET_KEY, PASSWORD, SIGNING_KEY, Cast, Serve, bearer, log_in
from tests.web.conftest import PublishedProfile


@pytest.fixture(autouse=True)
def talkative(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


async def test_a_login_logs_no_password_hash_token_or_key(
    client: httpx.AsyncClient, cast: Cast, caplog: pytest.LogCaptureFixture
):
    await cast.add("ada")
    before = await cast.stored_password("ada")
    caplog.clear()

    headers = await bearer(client, "ada")
    await log_in(client, "ada", "swordfish")
    await client.get("/users/me/", headers=headers)
    await client.post("/auth/logout", headers=headers)
    logged = caplog.text

    token = headers["Authorization"].removeprefix("Bearer ")
    secrets = (PASSWORD, "swordfish", before, await cast.stored_password("ada"), token, SIGNING_KEY, DJANGO_SECRET_KEY)
    assert [secret for secret in secrets if secret in logged] == []


async def test_a_registration_and_a_password_change_log_no_password(
    serve: Serve, cast: Cast, caplog: pytest.LogCaptureFixture
):
    async with serve(registration="on") as client:
        await client.post("/auth/register", json={"username": "ada", "password": PASSWORD})
        registered = await cast.stored_password("ada")
        await client.post(
            "/auth/password",
            headers=await bearer(client, "ada"),
            json={"current_password": PASSWORD, "new_password": "swordfish swordfish"},
        )
    logged = caplog.text

    assert [secret for secret in (PASSWORD, "swordfish", registered) if secret in logged] == []


async def test_a_start_logs_no_key_and_no_database_password(
    serve: Serve, profile: PublishedProfile, caplog: pytest.LogCaptureFixture
):
    await profile.edit(lambda document: document["validators"].append({"NAME": "shop_rules.NotInstalledHere"}))

    async with serve() as client:
        await client.get("/readyz")

    assert [secret for secret in (SIGNING_KEY, DJANGO_SECRET_KEY) if secret in caplog.text] == []


@pytest.mark.parametrize(
    ("password", "event"), [(PASSWORD, "login_succeeded"), ("wrong", "login_refused")], ids=["right", "wrong"]
)
async def test_every_login_is_in_the_audit_log_under_the_users_key(
    client: httpx.AsyncClient, cast: Cast, caplog: pytest.LogCaptureFixture, password: str, event: str
):
    key = await cast.add("ada")

    await log_in(client, "ada", password)

    [record] = [each for each in caplog.records if each.name == "bridge.audit" and each.getMessage() == event]
    assert record.__dict__["user_id"] == str(key)


async def test_a_login_of_nobody_is_in_the_audit_log_and_what_was_typed_is_not(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
):
    await log_in(client, "a password typed into the wrong field")

    [record] = [each for each in caplog.records if each.name == "bridge.audit"]
    assert record.__dict__["user_id"] is None
    assert "typed into the wrong field" not in record.getMessage()
