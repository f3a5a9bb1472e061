"""The shop's API to holders of the bridge's tokens: everybody's own rows, and nobody else's."""

from datetime import UTC, datetime
from decimal import Decimal

from django.contrib.auth.models import User
from django.test import Client

from legacy_django.shop.models import Item, Order, Product
from tests.contrib.conftest import bearer, issued


def order(customer: User, product: Product, *, day: int) -> Item:
    placed = Order.objects.create(customer=customer, placed_at=datetime(2026, 1, day, tzinfo=UTC))
    return Item.objects.create(order=placed, product=product, quantity=2, unit_price=product.price)


def test_the_items_are_the_users_own_and_newest_first(site: Client, ada: User, grace: User):
    mug = Product.objects.create(name="Mug", slug="mug", price=Decimal("14.50"))
    hook = Product.objects.create(name="Hook", slug="hook", price=Decimal("6.75"))
    older, newer = order(ada, mug, day=1), order(ada, hook, day=2)
    order(grace, mug, day=3)

    answer = site.get("/api/items/", headers={"Authorization": bearer(issued(ada.pk))})

    assert answer.json() == [
        {
            "id": newer.pk,
            "product": "hook",
            "quantity": 2,
            "unit_price": "6.75",
            "ordered_at": "2026-01-02T00:00:00Z",
        },
        {
            "id": older.pk,
            "product": "mug",
            "quantity": 2,
            "unit_price": "14.50",
            "ordered_at": "2026-01-01T00:00:00Z",
        },
    ]


def test_who_ordered_nothing_has_no_items(site: Client, ada: User, grace: User):
    order(grace, Product.objects.create(name="Mug", slug="mug", price=Decimal("14.50")), day=1)

    assert site.get("/api/items/", headers={"Authorization": bearer(issued(ada.pk))}).json() == []


def test_the_items_need_a_token(site: Client):
    assert site.get("/api/items/").status_code == 401
