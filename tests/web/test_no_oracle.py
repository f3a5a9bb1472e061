"""Refused logins are alike in what they ask the database and in the time that they take."""

import time

from django.contrib.auth.hashers import make_password

from tests.conftest import PASSWORD, Cast, log_in
from tests.web.conftest import before_any_database
from tests.web.test_dependencies import counted

pytestmark = before_any_database
FLOOR = 0.05


async def test_refused_logins_ask_the_same_statements_and_take_no_less_than_the_floor(service_url: str, cast: Cast):
    await cast.add("old")
    await cast.add("current", encoded=make_password(PASSWORD))
    await cast.add("inactive", is_active=False)
    await cast.add("unusable", encoded=make_password(None))
    statements, times = {}, {}
    async with counted(service_url) as running:
        await running.app.state.bridge.login._floor.measure([lambda: time.sleep(FLOOR)])
        for name in ("old", "current", "inactive", "unusable", "nobody"):
            running.statements.clear()
            began = time.perf_counter()
            password = PASSWORD if name == "inactive" else "wrong"
            assert (await log_in(running.client, name, password)).status_code == 401
            times[name] = time.perf_counter() - began
            statements[name] = list(running.statements)

    assert {name: len(asked) for name, asked in statements.items()} == dict.fromkeys(statements, 1)
    assert all(asked == statements["nobody"] for asked in statements.values())
    assert min(times.values()) >= FLOOR
