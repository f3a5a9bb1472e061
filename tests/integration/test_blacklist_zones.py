"""SimpleJWT's blacklist at a site with USE_TZ off: SimpleJWT writes UTC into it where Django reads local time."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from bridge.profile import UserTable
from bridge.store.blacklist import Blacklist, Outstanding
from bridge.store.database import Database
from bridge.store.users import Users
from tests.conftest import Cast, manage
from tests.integration.test_sessions import variant

LASTS: Final = timedelta(hours=4)
"""Less than any of the zones is away from UTC."""
at_a_site_in = pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York"], ids=["ahead", "behind"])

ISSUE: Final = f"""
from datetime import timedelta
from django.contrib.auth.models import User
from rest_framework_simplejwt.tokens import RefreshToken
class Short(RefreshToken):
    lifetime = timedelta(seconds={LASTS.total_seconds()})
token = Short.for_user(User.objects.get(username="ada"))
answer([token["jti"], str(token)])
"""
IS_TAKEN: Final = """
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import RefreshToken
try:
    RefreshToken({text!r})
except TokenError as exc:
    answer(str(exc))
else:
    answer("taken")
"""
LIVE_AT_THE_APP: Final = """
from django.contrib.auth.models import User
from bridge.contrib.django.blacklist import _live
user = User.objects.get(username="ada")
answer(sorted(_live(str(user.pk), using="default").values_list("jti", flat=True)))
"""


class Site:
    """Django with USE_TZ off, on the bridge's database."""

    def __init__(self, database_url: str, zone: str) -> None:
        self._url = database_url
        self._variant = variant(USE_TZ=False, TIME_ZONE=zone)

    def run(self, program: str) -> Any:
        prelude = "import json\ndef answer(value): print('\\n=>' + json.dumps(value))\n"
        return json.loads(manage(self._url, "shell", "-c", prelude + program, **self._variant).rpartition("\n=>")[2])


@pytest.fixture
def site(database_url: str, zone: str) -> Site:
    return Site(database_url, zone)


@pytest.fixture
def blacklist(database: Database, zone: str) -> Blacklist:
    return Blacklist(Users(database, UserTable(), time_zone=zone))


@at_a_site_in
async def test_a_token_that_simplejwt_gave_lives_until_it_expires_and_ends_with_all_others(
    site: Site, blacklist: Blacklist, cast: Cast, database: Database
):
    user_id = str(await cast.add("ada"))
    token_id, text = site.run(ISSUE)
    now = datetime.now(UTC)

    alive = await blacklist.live(user_id, now=now + LASTS - timedelta(minutes=5), executor=database)
    expired = await blacklist.live(user_id, now=now + LASTS + timedelta(minutes=5), executor=database)
    spent = await blacklist.spend_all(user_id, now=now, executor=database)

    assert (alive, expired, spent) == ([(token_id, text)], [], 1)
    assert site.run(IS_TAKEN.format(text=text)) == "Token is blacklisted"


@at_a_site_in
async def test_a_token_that_the_bridge_lists_is_alive_at_the_site_for_as_long(
    site: Site, blacklist: Blacklist, cast: Cast, database: Database
):
    user_id = str(await cast.add("ada"))
    now = datetime.now(UTC)
    async with database.batch() as batch:
        for name, left in {"alive": LASTS, "expired": -LASTS}.items():
            token = Outstanding(name, user_id, name, issued_at=now - 2 * LASTS, expires_at=now + left)
            await blacklist.list(token, batch=batch)

    assert site.run(LIVE_AT_THE_APP) == ["alive"]
