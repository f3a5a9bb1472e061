"""Whatever the site or the database does, the service goes on, and upgrades hashes only where it has looked."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest
from django.contrib.auth.hashers import check_password, make_password

from bridge import findings
from bridge.errors import DatabaseError
from bridge.findings import Finding
from bridge.passwords.pool import HashingPool
from bridge.services.accounts import PasswordChanged, WrongPassword
from bridge.services.preconditions import Preconditions, Safety
from bridge.web.app import create_app
from tests.conftest import PASSWORD, Cast, FrozenClock, Serve, log_in, running, settings_for
from tests.web.conftest import PublishedProfile, assert_problem, before_any_database
from tests.web.test_following import BOUND
from tests.web.test_rehash_safety import Composed, composed

__all__ = ["composed"]

T = TypeVar("T")
NEW: Final = "a password that nobody has guessed"

# Validators of the site's own -----------------------------------------------------------------------------------------

BROKEN: Final = {
    "apps_not_ready": (
        'from django.core.exceptions import AppRegistryNotReady\nraise AppRegistryNotReady("Apps aren\'t loaded yet.")'
    ),
    "anything_at_import": "raise RuntimeError('only in our own containers')",
    "anything_when_made": "class Theirs:\n    def __init__(self):\n        raise LookupError('no such model')",
}


@pytest.fixture(params=BROKEN)
def broken_validator(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The dotted path of a validator that is installed here and cannot be loaded."""
    module = f"their_{request.param}"
    (tmp_path / f"{module}.py").write_text(BROKEN[request.param])
    monkeypatch.syspath_prepend(tmp_path)
    return f"{module}.Theirs"


@before_any_database
async def test_a_validator_that_cannot_be_loaded_stops_registrations_and_nothing_else(
    serve: Serve, cast: Cast, profile: PublishedProfile, broken_validator: str
):
    await profile.edit(lambda document: document["validators"].append({"NAME": broken_validator}))
    await cast.add("ada")

    async with serve(registration="on", password_validators=(broken_validator,)) as client:
        registered = await client.post("/auth/register", json={"username": "grace", "password": NEW})
        logged_in = await log_in(client, "ada")

    assert_problem(registered, status=503, code="not_configured")
    assert logged_in.status_code == 200, logged_in.text


# The follower ---------------------------------------------------------------------------------------------------------


@before_any_database
async def test_a_profile_that_nobody_foresaw_stops_the_upgrades_and_not_the_follower(
    service_url: str, cast: Cast, profile: PublishedProfile, clock: FrozenClock
):
    await cast.add("ada")
    app = create_app(settings_for(service_url), clock=clock, follow_every=timedelta(milliseconds=10))

    async with running(app) as client, asyncio.timeout(BOUND):

        async def until_safe(*, is_safe: bool) -> None:
            while (await client.get("/readyz")).json()["rehashing_is_safe"] is not is_safe:  # noqa: ASYNC110  # nobody tells
                await asyncio.sleep(0)  # the follower has its turn

        await until_safe(is_safe=True)
        await profile.edit(lambda document: document["hashers"][0].update(parameters={"rounds": 12}))
        await until_safe(is_safe=False)
        assert (await log_in(client, "ada")).status_code == 200

        await profile.edit(lambda document: document["hashers"][0].update(parameters={}))
        await until_safe(is_safe=True)


# Safety ---------------------------------------------------------------------------------------------------------------


class Told(Preconditions):
    """Preconditions that a test tells; usernames are None where they cannot be looked at."""

    def __init__(self, *found: Finding, usernames: tuple[Finding, ...] | DatabaseError | None = ()) -> None:
        self.found = found
        self.usernames = usernames
        self.scans = 0

    async def findings(self) -> tuple[Finding, ...]:
        return self.found

    async def username_findings(self) -> tuple[Finding, ...] | None:
        self.scans += 1
        if isinstance(self.usernames, DatabaseError):
            raise self.usernames
        return self.usernames


@pytest.fixture
def safety(clock: FrozenClock) -> Safety:
    return Safety(clock)


@pytest.mark.parametrize("failure", [None, DatabaseError("57014")], ids=["no_rights", "a_timeout"])
async def test_a_site_is_safe_only_once_its_usernames_were_looked_at(
    safety: Safety, clock: FrozenClock, failure: DatabaseError | None
):
    site = Told(usernames=failure)
    await safety.look(site)
    assert not safety.is_safe

    site.usernames = ()
    clock.advance(timedelta(hours=1))
    await safety.look(site)
    assert safety.is_safe


async def test_usernames_that_become_readable_are_looked_at_without_waiting_for_an_hour(safety: Safety):
    site = Told(findings.PRIVILEGES_MISSING, usernames=None)
    await safety.look(site)

    site.found, site.usernames = (), ()
    await safety.look(site)

    assert safety.is_safe


async def test_the_usernames_of_a_site_that_changed_are_looked_at_again(safety: Safety):
    before, after = Told(), Told(usernames=(findings.USERNAMES_DIFFER_BY_CASE,))
    await safety.look(before)
    await safety.look(before)
    assert (before.scans, safety.is_safe) == (1, True)

    await safety.look(after)

    assert after.scans == 1
    assert safety.findings == (findings.USERNAMES_DIFFER_BY_CASE,)


async def test_a_scan_that_worked_for_another_site_does_not_stand_for_one_that_fails(safety: Safety):
    await safety.look(Told())

    await safety.look(Told(usernames=DatabaseError("57014")))

    assert not safety.is_safe


async def test_everything_else_is_looked_at_even_where_the_usernames_cannot_be(safety: Safety, clock: FrozenClock):
    site = Told()
    await safety.look(site)

    site.found, site.usernames = (findings.PROFILE_STALE,), DatabaseError("57014")
    clock.advance(timedelta(hours=1))
    await safety.look(site)

    assert findings.PROFILE_STALE in safety.findings


# A password change next to a silent re-hash ---------------------------------------------------------------------------


class PoolWithOneInterval(HashingPool):
    """A pool after one of whose runs something else happens, once."""

    def __init__(self, meanwhile: Callable[[], Awaitable[object]], *, after: int) -> None:
        super().__init__(workers=1)
        self._meanwhile = meanwhile
        self._left = after

    async def run(self, work: Callable[[], T], **how: Any) -> T:
        done: T = await super().run(work, **how)
        self._left -= 1
        if self._left == 0:
            await self._meanwhile()
        return done


def storing(cast: Cast, encoded: str) -> Callable[[], Awaitable[Any]]:
    async def store() -> None:
        await cast.database.execute("UPDATE auth_user SET password = :encoded", {"encoded": encoded})

    return store


@pytest.mark.parametrize("after", [1, 2], ids=["after_the_verification", "after_the_new_hash"])
async def test_a_password_is_changed_although_a_login_re_hashes_the_old_one_meanwhile(
    composed: Composed, cast: Cast, after: int
):
    key = await cast.add("ada")

    async with composed(PoolWithOneInterval(storing(cast, make_password(PASSWORD)), after=after)) as bridge:
        outcome = await bridge.accounts.change_password(str(key), current=PASSWORD, new=NEW)

    assert isinstance(outcome, PasswordChanged)
    assert check_password(NEW, await cast.stored_password("ada"))


async def test_a_password_that_was_really_changed_meanwhile_is_not_overwritten(composed: Composed, cast: Cast):
    key = await cast.add("ada")
    theirs = make_password("changed at the site meanwhile")

    async with composed(PoolWithOneInterval(storing(cast, theirs), after=1)) as bridge:
        outcome = await bridge.accounts.change_password(str(key), current=PASSWORD, new=NEW)

    assert isinstance(outcome, WrongPassword)
    assert await cast.stored_password("ada") == theirs
