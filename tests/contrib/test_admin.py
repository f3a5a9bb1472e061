"""Django's admin with the app installed."""

from decimal import Decimal
from typing import Final

import pytest
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.test import Client

from legacy_django.shop.models import Item, Order, Product
from tests.conftest import PASSWORD

PAGES: Final = (
    "/admin/",
    "/admin/auth/user/",
    "/admin/auth/user/add/",
    "/admin/auth/group/",
    "/admin/shop/product/",
    "/admin/shop/product/add/",
    "/admin/shop/order/",
    "/admin/shop/order/add/",
)
FORMATS: Final = ("argon2", "pbkdf2_sha256", "bcrypt_sha256", "md5", "sha1", "unsalted_sha1", "unsalted_md5")


@pytest.fixture
def staff(site: Client) -> Client:
    """A browser whose user may do everything."""
    site.force_login(User.objects.create_superuser("staff"))
    return site


@pytest.mark.parametrize("path", PAGES)
def test_a_page_loads_for_staff(staff: Client, path: str):
    assert staff.get(path).status_code == 200


@pytest.mark.parametrize("path", PAGES)
def test_a_page_sends_a_customer_to_log_in(site: Client, ada: User, path: str):
    site.force_login(ada)

    assert site.get(path).status_code == 302


@pytest.mark.parametrize("algorithm", FORMATS)
def test_a_user_shows_the_format_of_the_password_and_nothing_of_the_digest(staff: Client, ada: User, algorithm: str):
    encoded = make_password(PASSWORD, hasher=algorithm)
    User.objects.filter(pk=ada.pk).update(password=encoded)

    page = staff.get(f"/admin/auth/user/{ada.pk}/change/").content.decode()

    assert algorithm in page
    assert encoded.rpartition("$")[2] not in page


def test_an_order_shows_its_lines(staff: Client, ada: User):
    mug = Product.objects.create(name="Stoneware mug", slug="stoneware-mug", price=Decimal("14.50"))
    order = Order.objects.create(customer=ada)
    Item.objects.create(order=order, product=mug, unit_price=mug.price)

    assert b"Stoneware mug" in staff.get(f"/admin/shop/order/{order.pk}/change/").content
