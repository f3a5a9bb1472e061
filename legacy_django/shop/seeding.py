"""The data of the demonstration shop: accounts in every hash format, products and orders.

Everything here builds unsaved rows from an index and a moment, so that the same call gives the same shop;
only salts are random. Writing them is the command's part.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

from django.contrib.auth import hashers
from django.contrib.auth.models import User
from django.utils.crypto import get_random_string

from legacy_django.shop.models import Item, Order, Product

__all__ = [
    "PASSWORD",
    "Account",
    "aged_accounts",
    "items_of",
    "orders_of",
    "products",
    "showcase_accounts",
    "user",
]

PASSWORD = "secret"  # noqa: S105 - the demonstration's published password
"""What every seeded account that has a password answers to."""

AGED_ITERATIONS = 36_000
"""What Django 1.11 wrote."""

_AGED_SALT_LENGTH = 12  # likewise

_PRODUCTS = (
    ("Stoneware mug", "14.50"),
    ("Linen apron", "39.00"),
    ("Oak chopping board", "48.00"),
    ("Enamel teapot", "32.90"),
    ("Beeswax candles", "11.20"),
    ("Cast-iron pan", "64.00"),
    ("Wool blanket", "119.00"),
    ("Notebook, ruled", "8.40"),
    ("Brass hook", "6.75"),
    ("Willow basket", "27.00"),
    ("Olive oil soap", "5.60"),
    ("Garden twine", "4.30"),
)
_FIRST_NAMES = ("Ada", "Bruno", "Chiara", "Dmitri", "Esther", "Farid", "Grace", "Hiro", "Ines", "Jonas")
_LAST_NAMES = ("Abbott", "Brandt", "Costa", "Duval", "Evans", "Garcia", "Haddad", "Ito", "Jansen")

_COHORTS = (
    (0, 7),
    (0, 7),
    (7, 30),
    (7, 30),
    (30, 90),
    (30, 90),
    (90, 365),
    (90, 365),
    (365, 1200),
    None,
)
"""Days since the last login, from and below, of ten accounts in a row; the last of them never logged in."""

_STATUSES = (Order.Status.PLACED, Order.Status.SHIPPED, Order.Status.DELIVERED, Order.Status.CANCELLED)


@dataclass(frozen=True, kw_only=True)
class Account:
    """An account to create; `encode` spends the hashing."""

    username: str
    index: int
    encode: Callable[[], str]
    is_active: bool = True
    is_staff: bool = False


def showcase_accounts() -> list[Account]:
    """Return one account per hash format, named after it, and the special cases."""
    formats = [
        Account(username=name, index=index, encode=encode) for index, (name, encode) in enumerate(_FORMATS.items())
    ]
    first = len(formats)
    return [
        *formats,
        Account(username="staff", index=first, encode=_FORMATS["argon2"], is_staff=True),
        Account(username="inactive", index=first + 1, encode=_FORMATS["pbkdf2_sha256"], is_active=False),
        Account(username="passwordless", index=first + 2, encode=partial(hashers.make_password, None)),
    ]


def aged_accounts(count: int) -> Iterator[Account]:
    """Yield `user00001` and on: what a site keeps that has run since Django 1.11."""
    for index in range(1, count + 1):
        yield Account(username=f"user{index:05}", index=index, encode=_aged_pbkdf2)


def user(account: Account, *, now: datetime) -> User:
    """Hash the password of `account` and return its unsaved row."""
    return User(
        username=account.username,
        password=account.encode(),
        email=f"{account.username}@example.com",
        first_name=_FIRST_NAMES[account.index % len(_FIRST_NAMES)],
        last_name=_LAST_NAMES[account.index % len(_LAST_NAMES)],
        is_active=account.is_active,
        is_staff=account.is_staff,
        is_superuser=account.is_staff,
        last_login=_last_login(account.index, now),
        date_joined=now - timedelta(days=1200 + account.index % 1000),
    )


def products() -> list[Product]:
    """Return the shelf, unsaved."""
    return [Product(name=name, slug=_slug(name), price=Decimal(price)) for name, price in _PRODUCTS]


def orders_of(customer: User) -> list[Order]:
    """Return two unsaved orders: one of the customer's last visit, one of the month before."""
    latest = customer.last_login or customer.date_joined + timedelta(days=60)
    return [
        Order(customer=customer, placed_at=latest - timedelta(days=30), status=Order.Status.DELIVERED),
        Order(customer=customer, placed_at=latest, status=_STATUSES[customer.pk % len(_STATUSES)]),
    ]


def items_of(order: Order, shelf: list[Product]) -> list[Item]:
    """Return the one to three unsaved lines of a saved order; no product appears twice."""
    chosen = [shelf[(order.pk * 5 + line) % len(shelf)] for line in range(1 + order.pk % 3)]
    return [
        Item(order=order, product=product, quantity=1 + (order.pk + line) % 4, unit_price=product.price)
        for line, product in enumerate(chosen)
    ]


def _last_login(index: int, now: datetime) -> datetime | None:
    """Return a moment in the cohort that `index` falls into, at least an hour ago."""
    cohort = _COHORTS[index % len(_COHORTS)]
    if cohort is None:
        return None
    nearest, below = cohort
    days = nearest + index // len(_COHORTS) % (below - nearest)
    return now - timedelta(days=days, hours=1 + index % 22)


def _slug(name: str) -> str:
    return name.lower().replace(",", "").replace(" ", "-")


def _hashed_by(hasher: type[hashers.BasePasswordHasher]) -> str:
    """Hash with the hasher's own defaults, whether PASSWORD_HASHERS lists it or not."""
    instance = hasher()
    return instance.encode(PASSWORD, instance.salt())


def _aged_pbkdf2() -> str:
    salt = get_random_string(_AGED_SALT_LENGTH)
    return hashers.PBKDF2PasswordHasher().encode(PASSWORD, salt, AGED_ITERATIONS)


def _salted_sha1() -> str:
    """Return `sha1$salt$digest`, whose hasher Django dropped in 5.1."""
    salt = get_random_string(_AGED_SALT_LENGTH)
    digest = hashlib.sha1((salt + PASSWORD).encode(), usedforsecurity=False).hexdigest()
    return f"sha1${salt}${digest}"


def _unsalted_md5() -> str:
    """Return the bare digest that Django wrote before it had formats; its hasher left in 5.1 too."""
    return hashlib.md5(PASSWORD.encode(), usedforsecurity=False).hexdigest()


_FORMATS: dict[str, Callable[[], str]] = {
    "pbkdf2_sha256": partial(_hashed_by, hashers.PBKDF2PasswordHasher),
    "pbkdf2_sha1": partial(_hashed_by, hashers.PBKDF2SHA1PasswordHasher),
    "sha1": _salted_sha1,
    "md5": partial(_hashed_by, hashers.MD5PasswordHasher),
    "unsalted_md5": _unsalted_md5,
    "bcrypt_sha256": partial(_hashed_by, hashers.BCryptSHA256PasswordHasher),
    "bcrypt": partial(_hashed_by, hashers.BCryptPasswordHasher),
    "scrypt": partial(_hashed_by, hashers.ScryptPasswordHasher),
    "argon2": partial(_hashed_by, hashers.Argon2PasswordHasher),
}
