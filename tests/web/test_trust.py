"""Whom and what the bridge trusts at sites that are other than stock."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from django.core.exceptions import ValidationError
from rest_framework_simplejwt.tokens import AccessToken

from bridge.profile import SiteProfile
from tests.conftest import PASSWORD, Cast, Serve, bearer, log_in, settings_for
from tests.web.conftest import FULL_COST, INCORRECT, PublishedProfile, assert_problem, before_any_database

ME: Final = "/users/me/"
NEW: Final = "a password that nobody has guessed"
DJANGO_OWN: Final = "django.contrib.auth.password_validation"


def site_token(user_id: object, **claims: str) -> dict[str, str]:
    """An access token as the site's SimpleJWT signs it, with claims that the site may have added."""
    token = AccessToken()
    for name, value in {"user_id": str(user_id), **claims}.items():
        token[name] = value
    return {"Authorization": f"Bearer {token}"}


async def is_let_in_by_password(client: httpx.AsyncClient, username: str) -> bool:
    answer = await log_in(client, username)
    assert answer.status_code == 200 or (answer.status_code, answer.json()) == (401, INCORRECT)
    return answer.status_code == 200


# Tokens of a site that means something else by them -------------------------------------------------------------------


@pytest.mark.parametrize(
    "simple_jwt",
    [
        {"user_id_field_is_key": False},
        {"user_id_claim": "sub"},
        {"token_type_claim": "typ"},
        {"token_type_claim": None},
        {"jti_claim": "token_id"},
        {"check_revoke_token": True},
        {"user_id_field_is_key": False, "issuer": "bridge", "audience": "django"},
    ],
    ids=str,
)
async def test_a_token_of_a_site_that_reads_its_tokens_otherwise_opens_nothing(
    serve: Serve, cast: Cast, profile: PublishedProfile, simple_jwt: dict[str, Any]
):
    key = await cast.add("ada")
    await cast.add(str(key))  # whose name is ada's key: at such a site, this token may be theirs
    given = {"iss": simple_jwt.get("issuer"), "aud": simple_jwt.get("audience")}
    token = site_token(key, sub=str(key), **{name: value for name, value in given.items() if value is not None})
    await profile.edit(lambda document: document["simple_jwt"].update(simple_jwt))

    async with serve() as client:
        assert_problem(await client.get(ME, headers=token), status=401, code="invalid_token")


async def test_that_token_opens_the_bridge_where_the_site_reads_it_as_the_bridge_does(
    client: httpx.AsyncClient, cast: Cast
):
    key = await cast.add("ada")

    assert (await client.get(ME, headers=site_token(key, sub=str(key)))).json()["username"] == "ada"


async def test_no_token_is_issued_where_the_site_would_take_it_for_another_users(
    serve: Serve, cast: Cast, profile: PublishedProfile
):
    await cast.add("ada")
    await profile.edit(lambda document: document["simple_jwt"].update(user_id_field_is_key=False))

    async with serve() as client:
        answers = [
            await log_in(client, "ada"),
            await client.post("/auth/login", json={"username": "ada", "password": PASSWORD}),
        ]

    assert [answer.status_code for answer in answers] == [503, 503]
    assert {answer.json()["error"] for answer in answers} == {"temporarily_unavailable"}
    assert not any("access_token" in answer.text for answer in answers)


@pytest.mark.parametrize("simple_jwt", [{"check_revoke_token": True}, {"token_type_claim": "typ"}], ids=str)
async def test_the_bridges_own_tokens_open_it_where_only_the_sites_are_not_taken(
    serve: Serve, cast: Cast, profile: PublishedProfile, simple_jwt: dict[str, Any]
):
    await cast.add("ada")
    await profile.edit(lambda document: document["simple_jwt"].update(simple_jwt))

    async with serve() as client:
        assert (await client.get(ME, headers=await bearer(client, "ada"))).json()["username"] == "ada"


# Users who cannot be told from inactive ones --------------------------------------------------------------------------


async def published(cast: Cast) -> SiteProfile:
    row = await cast.database.fetch_one("SELECT * FROM bridge_site_profile")
    assert row is not None
    return SiteProfile.from_document(json.loads(row["document"]))


def without_active_column(document: dict[str, Any], *, always_active: bool) -> None:
    document["user_table"]["columns"].pop("is_active")
    document["user_table"]["always_active"] = always_active


async def test_nobody_is_let_in_where_inactive_users_cannot_be_told(
    serve: Serve, cast: Cast, profile: PublishedProfile
):
    key = await cast.add("ada")
    await profile.edit(lambda document: without_active_column(document, always_active=False))

    async with serve() as client:
        assert not await is_let_in_by_password(client, "ada")
        assert (await client.get(ME, headers=site_token(key))).status_code == 401

    assert [found.code for found in (await published(cast)).findings() if found.blocking] == ["active-flag"]


async def test_users_are_let_in_where_the_model_knows_no_inactive_ones(
    serve: Serve, cast: Cast, profile: PublishedProfile
):
    await cast.add("ada")
    await profile.edit(lambda document: without_active_column(document, always_active=True))

    async with serve() as client:
        assert (await client.get(ME, headers=await bearer(client, "ada"))).json()["is_active"] is True

    assert not (await published(cast)).findings()


# Password validators --------------------------------------------------------------------------------------------------


def touching(path: Path) -> dict[str, Any]:
    return {"NAME": "subprocess.check_call", "OPTIONS": {"args": ["touch", str(path)]}}


def touching_through_django(path: Path) -> dict[str, Any]:
    """Name a function of Django's own module that loads whatever it is given."""
    return {"NAME": f"{DJANGO_OWN}.get_password_validators", "OPTIONS": {"validator_config": [touching(path)]}}


@before_any_database
@pytest.mark.parametrize("row", [touching, touching_through_django])
async def test_a_validator_that_is_not_allowed_runs_nothing_and_keeps_nobody_out(
    serve: Serve, cast: Cast, profile: PublishedProfile, tmp_path: Path, row: Any
):
    await cast.add("ada")
    trace = tmp_path / "ran"
    await profile.edit(lambda document: document["validators"].append(row(trace)))

    async with serve(registration="on") as client:
        headers = await bearer(client, "ada")
        answers = [
            await client.post("/auth/register", json={"username": "grace", "password": NEW}),
            await client.post(
                "/auth/password", headers=headers, json={"current_password": PASSWORD, "new_password": NEW}
            ),
        ]

    assert not trace.exists()
    for answer in answers:
        assert_problem(answer, status=503, code="not_configured")


class NothingGuessed:
    """A validator of the site's own, as its package would hold it."""

    def validate(self, password: str, user: Mapping[str, Any] | None = None) -> None:
        if "guessed" in password:
            raise ValidationError("Somebody has guessed this.")


@before_any_database
async def test_a_validator_of_the_sites_own_is_asked_once_it_is_allowed(
    serve: Serve, cast: Cast, profile: PublishedProfile
):
    own = f"{__name__}.NothingGuessed"
    await profile.edit(lambda document: document["validators"].append({"NAME": own}))

    async with serve(registration="on", password_validators=(own,)) as client:
        answer = await client.post("/auth/register", json={"username": "grace", "password": NEW})

    assert answer.json()["errors"] == {"password": ["Somebody has guessed this."]}


@pytest.mark.parametrize("paths", [["shop_rules.One", "shop_rules.Two"], []])
def test_the_allowed_validators_are_a_json_list_in_the_environment(monkeypatch: pytest.MonkeyPatch, paths: list[str]):
    monkeypatch.setenv("BRIDGE_PASSWORD_VALIDATORS", json.dumps(paths))

    assert settings_for("sqlite:///:memory:").password_validators == tuple(paths)


# Hashers of the site's own --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rehash", ["auto", "on"])
async def test_users_of_a_hasher_that_only_the_site_has_are_refused_and_left_alone(
    serve: Serve, cast: Cast, profile: PublishedProfile, rehash: str
):
    await cast.add("ada")
    before = await cast.stored_password("ada")

    def pepper(document: dict[str, Any]) -> None:
        for each in document["hashers"]:
            each["stock"] = each["algorithm"] != "pbkdf2_sha256"

    await profile.edit(pepper)

    async with serve(rehash=rehash) as client:
        assert not await is_let_in_by_password(client, "ada")

    assert await cast.stored_password("ada") == before


async def test_nobody_and_somebody_are_answered_alike_at_a_site_without_argon2(
    serve: Serve, cast: Cast, profile: PublishedProfile
):
    await cast.add("ada")
    await profile.forget("argon2")

    async with serve(**FULL_COST) as client:
        wrong, nobody = [await log_in(client, name, "wrong") for name in ("ada", "nobody")]
        assert await is_let_in_by_password(client, "ada")

    assert (nobody.status_code, nobody.content, nobody.headers) == (401, wrong.content, wrong.headers)
