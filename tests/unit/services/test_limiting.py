"""Who counts as one client, what a try counts against, and which devices are known."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from bridge.services.client import Client
from bridge.services.devices import KnownDevices
from bridge.services.limiting import Admitted, Limited, LimitRules, Limits, network_of
from bridge.store.rate_limits import BoundedMemory, Windows, parse_rates

SECRET: Final = "the tests' own secret, which opens nothing anywhere else"
NOW: Final = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
HOME, ELSEWHERE = Client(address="203.0.113.1"), Client(address="198.51.100.1")


class Time:
    now = NOW

    def __call__(self) -> datetime:
        return self.now


def devices(*secrets: str, clock: Any = None, days: int = 180) -> KnownDevices:
    return KnownDevices(secrets=secrets or (SECRET,), age=timedelta(days=days), clock=clock or Time())


def limits(**rules: str) -> Limits:
    parsed = {name: parse_rates(text) for name, text in rules.items()}
    return Limits(windows=Windows(), rules=LimitRules(**parsed), devices=devices(), secrets=[SECRET])


def marked(username: str, *, address: str | None = "203.0.113.1") -> Client:
    return Client(address=address, device=devices().mark(username, None))


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", None),
        ("not an address", None),
        (None, None),
    ],
)
def test_a_network_is_one_address_of_ipv4_or_64_bits_of_ipv6(address: str | None, network: str | None):
    assert network_of(address) == network


async def test_each_limit_stops_what_it_counts_and_says_for_how_long():
    for by, rules, tries in (
        ("account", {"account": "2/15 minutes"}, [("ada", HOME), ("ada", ELSEWHERE), ("ada", HOME)]),
        ("network", {"network": "2/15 minutes"}, [("ada", HOME), ("bob", HOME), ("eve", HOME)]),
        ("everybody", {"everybody": "2/15 minutes"}, [("ada", HOME), ("bob", ELSEWHERE), ("eve", HOME)]),
    ):
        asked = limits(**rules)
        outcomes = [await asked.login(name, client) for name, client in tries]

        assert [type(each) for each in outcomes] == [Admitted, Admitted, Limited]
        assert isinstance(outcomes[2], Limited)
        assert outcomes[2].by == by
        assert timedelta(minutes=14) < outcomes[2].retry_after <= timedelta(minutes=15)


async def test_a_network_that_has_had_enough_uses_up_nobody_elses_limit():
    asked = limits(network="1/hour", everybody="3/hour", account="3/hour")

    for _ in range(9):
        await asked.login("ada", HOME)

    assert isinstance(await asked.login("ada", ELSEWHERE), Admitted)


async def test_what_is_forgiven_was_never_tried():
    asked = limits(account="1/hour", network="1/hour", everybody="1/hour")
    for _ in range(3):
        admitted = await asked.login("ada", HOME)
        assert isinstance(admitted, Admitted)
        await asked.forgive(admitted)


async def test_several_rates_hold_together_and_off_means_none():
    asked = limits(account="5/second;2/day")
    assert [type(await asked.login("ada", HOME)) for _ in range(3)] == [Admitted, Admitted, Limited]

    asked = limits(account="off", network="off")
    assert {type(await asked.login("ada", HOME)) for _ in range(300)} == {Admitted}


async def test_accounts_are_counted_under_no_name_that_anybody_could_read():
    windows = Windows()
    rules = LimitRules(account=parse_rates("1/hour"))
    asked = Limits(windows=windows, rules=rules, devices=devices(), secrets=[SECRET])

    await asked.login("ada@example.com", HOME)

    [key] = windows._local._windows  # type: ignore[attr-defined]  # what Redis would be given
    assert "ada" not in key
    assert asked.name("ada@example.com") in key


# Known devices --------------------------------------------------------------------------------------------------------


async def test_strangers_cannot_lock_a_user_out_of_a_known_device():
    asked = limits(account="1/hour", network="1/hour", everybody="1/hour", device="2/hour")
    for client in (HOME, ELSEWHERE):
        await asked.login("ada", client)
    known = marked("ada")

    outcomes = [await asked.login("ada", known) for _ in range(3)]

    assert outcomes[0] == Admitted(outcomes[0].counted, is_known=True)  # type: ignore[union-attr]  # held here
    assert [type(each) for each in outcomes] == [Admitted, Admitted, Limited]  # a stolen one is bounded too


async def test_a_known_device_is_a_strangers_to_everybody_else():
    asked = limits(account="1/hour", device="9/hour")

    outcomes = [await asked.login("eve", marked("ada")) for _ in range(2)]

    assert [type(each) for each in outcomes] == [Admitted, Limited]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda mark: None,
        lambda mark: "",
        lambda mark: "..",
        lambda mark: mark[:-1] + ("0" if mark[-1] != "0" else "1"),
        lambda mark: "x" + mark,
        lambda mark: mark.replace(".", ".9", 1),
        lambda mark: mark + ".more",
        lambda mark: "a" * 100_000,
        lambda mark: "\ud800.\u0661.é",
    ],
)
def test_a_mark_that_was_not_made_here_is_none(spoil: Any):
    mark = devices().mark("ada", None)
    assert devices().name("ada", mark)

    assert devices().name("ada", spoil(mark)) is None


def test_a_mark_is_good_until_it_expires_and_is_renewed_before():
    time = Time()
    known = devices(clock=time)
    mark = known.mark("ada", None)
    assert known.mark("ada", mark) is None

    time.now = NOW + timedelta(days=91)
    assert known.name("ada", mark)
    assert known.mark("ada", mark) not in (None, mark)
    time.now = NOW + timedelta(days=181)
    assert known.name("ada", mark) is None


def test_a_mark_outlives_a_rotation_of_the_secret_and_no_device_is_known_where_none_is_to_be():
    mark = devices().mark("ada", None)

    assert devices("a new one", SECRET).name("ada", mark)
    assert devices("a new one").name("ada", mark) is None
    assert (devices(days=0).mark("ada", None), devices(days=0).name("ada", mark)) == (None, None)


async def test_a_users_devices_have_a_limit_together_that_no_new_one_lifts():
    """A login without a mark gives another one: somebody could collect them, and have much hashed at once."""
    asked = limits(device="2/hour", account="1/hour")
    known = [marked("ada") for _ in range(5)]

    admitted = [type(await asked.login("ada", device)) for device in known for _ in range(2)]

    assert admitted == [Admitted] * 6 + [Limited] * 4
    assert isinstance(await asked.login("bob", marked("bob")), Admitted)


async def test_a_window_that_is_counted_in_outlasts_those_that_somebody_makes_many_of():
    memory = BoundedMemory(most=3)

    for key in ("busy", "a", "busy", "b", "c", "busy", "d"):
        await memory.incr(key, 60)

    assert await memory.get("busy") == 3


async def test_this_process_remembers_a_bounded_number_of_windows():
    memory = BoundedMemory(most=3)

    for key in "abcd":
        await memory.incr(key, 60)

    assert [await memory.get(key) for key in "abcd"] == [0, 1, 1, 1]
