"""The user who is asking: GET and PATCH /users/me/, and the demo's GET /users/me/items/ and GET /api/items/."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx
import pytest

from bridge.store.database import Database
from tests.conftest import Cast, FrozenClock, bearer
from tests.web.conftest import assert_problem, before_any_database, moment

ME: Final = "/users/me/"


# Looking --------------------------------------------------------------------------------------------------------------


async def test_a_user_has_these_fields_and_no_others(client: httpx.AsyncClient, cast: Cast, clock: FrozenClock):
    joined = datetime(2020, 2, 29, 12, 30, tzinfo=UTC)
    key = await cast.add(
        "ada",
        email="ada@example.com",
        first_name="Ada",
        last_name="Lovelace",
        is_staff=True,
        is_superuser=True,
        date_joined=joined,
    )

    body = (await client.get(ME, headers=await bearer(client, "ada"))).json()

    assert moment(body.pop("date_joined")) == joined
    assert moment(body.pop("last_login")) == clock.now
    assert body == {
        "id": key,
        "username": "ada",
        "email": "ada@example.com",
        "first_name": "Ada",
        "last_name": "Lovelace",
        "full_name": "Ada Lovelace",
        "disabled": False,
        "is_active": True,
        "is_staff": True,
        "is_superuser": True,
    }


@pytest.mark.parametrize(
    ("first", "last", "full"),
    [("", "", ""), ("Ada", "", "Ada"), ("", "Lovelace", "Lovelace")],
    ids=["none", "first", "last"],
)
async def test_a_full_name_is_made_of_what_there_is(
    client: httpx.AsyncClient, cast: Cast, first: str, last: str, full: str
):
    await cast.add("ada", first_name=first, last_name=last)

    assert (await client.get(ME, headers=await bearer(client, "ada"))).json()["full_name"] == full


async def test_times_are_given_with_their_zone(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")

    body = (await client.get(ME, headers=await bearer(client, "ada"))).json()

    assert datetime.fromisoformat(body["last_login"]).tzinfo is not None
    assert datetime.fromisoformat(body["date_joined"]).tzinfo is not None


# Changing -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "ada@example.com"),
        ("email", ""),
        ("first_name", "Ada"),
        ("first_name", "x" * 150),
        ("last_name", "Łukasz 日本 🎩"),
        ("last_name", "O'Neil; DROP TABLE auth_user; --"),
        ("last_name", "50% :name %(key)s"),
    ],
)
async def test_a_user_changes_a_field_and_that_one_only(client: httpx.AsyncClient, cast: Cast, field: str, value: str):
    await cast.add("ada", email="before@example.com", first_name="Before", last_name="Before")
    headers = await bearer(client, "ada")
    before = (await client.get(ME, headers=headers)).json()

    answer = await client.patch(ME, headers=headers, json={field: value})

    assert answer.status_code == 200
    assert answer.json() | {"full_name": ""} == before | {field: value, "full_name": ""}
    assert await cast.column("ada", field) == value


async def test_a_user_changes_all_fields_at_once(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")
    changes = {"email": "ada@example.com", "first_name": "Ada", "last_name": "Lovelace"}

    answer = await client.patch(ME, headers=await bearer(client, "ada"), json=changes)

    assert answer.json() == answer.json() | changes | {"full_name": "Ada Lovelace"}


async def test_a_change_leaves_everybody_else_alone(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")
    await cast.add("grace", first_name="Grace")

    await client.patch(ME, headers=await bearer(client, "ada"), json={"first_name": "Ada"})

    assert await cast.column("grace", "first_name") == "Grace"


@pytest.mark.parametrize(
    "body", [{}, {"email": None}, {"email": None, "first_name": None, "last_name": None}], ids=["empty", "one", "all"]
)
async def test_null_and_nothing_leave_what_there_is(client: httpx.AsyncClient, cast: Cast, body: dict[str, None]):
    await cast.add("ada", email="ada@example.com", first_name="Ada", last_name="Lovelace")
    headers = await bearer(client, "ada")
    before = (await client.get(ME, headers=headers)).json()

    answer = await client.patch(ME, headers=headers, json=body)

    assert (answer.status_code, answer.json()) == (200, before)


REFUSED: Final[dict[str, dict[str, Any]]] = {
    "unknown": {"nickname": "swordfish"},
    "username": {"username": "swordfish"},
    "is_staff": {"is_staff": True},
    "password": {"password": "swordfish"},
    "id": {"id": 1},
    "email_without_at": {"email": "swordfish"},
    "email_without_domain": {"email": "swordfish@"},
    "email_with_spaces": {"email": "sword fish@example.com"},
    "email_with_newline": {"email": "swordfish@example.com\n"},
    "long_email": {"email": "swordfish" * 30 + "@example.com"},
    "long_first_name": {"first_name": "swordfish" * 17},
    "long_last_name": {"last_name": "swordfish" * 17},
    "nul": {"first_name": "swordfish\0"},
    "nul_in_email": {"email": "swordfish\0@example.com"},
    "number": {"first_name": 77777},
    "array": {"first_name": ["swordfish"]},
    "object": {"email": {"swordfish": "swordfish"}},
}


@before_any_database
@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED.keys())
async def test_a_change_against_the_rules_is_refused_and_not_repeated(
    client: httpx.AsyncClient, cast: Cast, body: dict[str, Any]
):
    await cast.add("ada", email="ada@example.com", first_name="Ada")
    headers = await bearer(client, "ada")
    before = (await client.get(ME, headers=headers)).json()

    answer = await client.patch(ME, headers=headers, json=body)

    assert assert_problem(answer, status=422, code="invalid")["errors"]
    assert "swordfish" not in answer.text
    assert "77777" not in answer.text
    assert (await client.get(ME, headers=headers)).json() == before


async def test_what_is_wrong_is_said_by_field(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")

    answer = await client.patch(
        ME, headers=await bearer(client, "ada"), json={"email": "nonsense", "first_name": "x" * 151}
    )

    assert answer.json()["errors"] == {
        "email": ["Enter a valid email address."],
        "first_name": ["Ensure this value has at most 150 characters."],
    }


@before_any_database
@pytest.mark.parametrize(
    "body",
    [
        rb'{"first_name": "\ud800"}',
        rb'{"email": "\udfff@example.com"}',
        rb'{"\ud800": "x"}',
        b'{"first_name": "\xff"}',
        b"",
        b"[]",
        b"1",
        b"null",
        b"{",
        b'{"first_name": ' + b"1" * 5_000 + b"}",
        b"[" * 60_000,
    ],
    ids=lambda body: repr(body[:24]),
)
async def test_a_body_that_is_no_change_is_refused(client: httpx.AsyncClient, cast: Cast, body: bytes):
    await cast.add("ada")
    headers = await bearer(client, "ada") | {"content-type": "application/json"}

    answer = await client.patch(ME, headers=headers, content=body)

    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_change_of_another_content_type_is_refused(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")
    headers = await bearer(client, "ada") | {"content-type": "text/plain"}

    assert_problem(await client.patch(ME, headers=headers, content=b"{}"), status=422, code="invalid")


async def test_a_change_of_a_megabyte_is_too_large(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")

    answer = await client.patch(ME, headers=await bearer(client, "ada"), json={"first_name": "x" * 1_048_576})

    assert answer.status_code == 413


async def test_a_change_of_a_megabyte_that_does_not_say_so_is_too_large(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")
    headers = await bearer(client, "ada") | {"content-type": "application/json"}

    async def pieces() -> Any:
        yield b'{"first_name": "'
        for _ in range(64):
            yield b"x" * 16_384

    assert (await client.patch(ME, headers=headers, content=pieces())).status_code == 413


async def test_nobody_changes_anything_without_a_token(client: httpx.AsyncClient):
    assert_problem(await client.patch(ME, json={}), status=401, code="not_authenticated")


async def test_a_change_that_cannot_be_written_says_so(client: httpx.AsyncClient, cast: Cast, database_url: str):
    await cast.add("ada")
    headers = await bearer(client, "ada")
    await cast.database.execute("ALTER TABLE auth_user RENAME TO elsewhere")

    answer = await client.patch(ME, headers=headers, json={"first_name": "Ada"})

    assert_problem(answer, status=503, code="database_unavailable")


# The migrated endpoint ------------------------------------------------------------------------------------------------

ORDERED: Final = datetime(2026, 5, 1, 9, 15, tzinfo=UTC)
each_list = pytest.mark.parametrize("path", ["/users/me/items/", "/api/items/"], ids=["only_here", "of_the_site"])


async def order(database: Database, customer: int, *, product: str, quantity: int, placed_at: datetime) -> None:
    """Put one order of one product into the shop's tables."""
    sold = await database.fetch_one(
        "INSERT INTO shop_product (name, slug, price) VALUES (:product, :product, '9.90')"
        " ON CONFLICT (slug) DO UPDATE SET name = :product RETURNING id",
        {"product": product},
    )
    placed = await database.fetch_one(
        "INSERT INTO shop_order (placed_at, status, customer_id) VALUES (:placed_at, 'placed', :customer) RETURNING id",
        {"placed_at": placed_at, "customer": customer},
    )
    assert sold is not None
    assert placed is not None
    await database.execute(
        "INSERT INTO shop_item (quantity, unit_price, order_id, product_id)"
        " VALUES (:quantity, '9.90', :order, :product)",
        {"quantity": quantity, "order": placed["id"], "product": sold["id"]},
    )


@each_list
async def test_a_user_sees_their_own_items_and_nobody_elses(client: httpx.AsyncClient, cast: Cast, path: str):
    ada, grace = await cast.add("ada"), await cast.add("grace")
    await order(cast.database, ada, product="teapot", quantity=2, placed_at=ORDERED)
    await order(cast.database, grace, product="compiler", quantity=1, placed_at=ORDERED)

    [item] = (await client.get(path, headers=await bearer(client, "ada"))).json()

    assert isinstance(item.pop("id"), int)
    assert moment(item.pop("ordered_at")) == ORDERED
    assert item == {"product": "teapot", "quantity": 2, "unit_price": "9.90"}


async def test_items_are_given_newest_first(client: httpx.AsyncClient, cast: Cast):
    ada = await cast.add("ada")
    for age, product in enumerate(["teapot", "kettle", "cup"]):
        await order(cast.database, ada, product=product, quantity=1, placed_at=ORDERED - timedelta(days=age))

    items = (await client.get("/users/me/items/", headers=await bearer(client, "ada"))).json()

    assert [item["product"] for item in items] == ["teapot", "kettle", "cup"]


async def test_a_user_without_orders_has_no_items(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")

    assert (await client.get("/users/me/items/", headers=await bearer(client, "ada"))).json() == []


@each_list
async def test_nobody_sees_items_without_a_token(client: httpx.AsyncClient, path: str):
    assert_problem(await client.get(path), status=401, code="not_authenticated")
