"""Fill the shop with the demonstration's accounts, products and orders."""

from argparse import ArgumentTypeError
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain, islice
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction
from django.utils import timezone

from legacy_django.shop import seeding
from legacy_django.shop.models import Item, Order, Product

_BATCH = 250
_BAR_WIDTH = 30


class Command(BaseCommand):
    """Create what is missing and leave the rest as it is; run it as often as you like."""

    help = "Create products, one account per hash format, N more from Django 1.11's days, and their orders."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare `--users`."""
        parser.add_argument(
            "--users",
            type=_count,
            default=0,
            metavar="N",
            help="how many accounts user00001… with PBKDF2-SHA256 at 36,000 rounds (default: 0)",
        )

    def handle(self, *, users: int, **_options: Any) -> None:
        """Seed in batches, each of them whole or absent."""
        Product.objects.bulk_create(seeding.products(), ignore_conflicts=True)
        showcase = seeding.showcase_accounts()
        total = len(showcase) + users
        done = 0
        for batch in _batches(chain(showcase, seeding.aged_accounts(users))):
            _seed(batch)
            done += len(batch)
            self._show_progress(done, total)
        summary = f"The shop has {User.objects.count()} accounts and {Order.objects.count()} orders."
        self.stdout.write(self.style.SUCCESS(summary))

    def _show_progress(self, done: int, total: int) -> None:
        if not self.stdout.isatty():
            self.stdout.write(f"seeded {done} of {total} accounts")
            return
        bar = ("█" * (_BAR_WIDTH * done // total)).ljust(_BAR_WIDTH, "░")
        self.stdout.write(f"\r{bar} {done} of {total} accounts", ending="\n" if done == total else "")
        self.stdout.flush()


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise ArgumentTypeError(f"{text!r} is not a count: give 0 or more")
    return int(text)


def _batches(accounts: Iterator[seeding.Account]) -> Iterator[list[seeding.Account]]:
    while batch := list(islice(accounts, _BATCH)):
        yield batch


def _seed(accounts: list[seeding.Account]) -> None:
    """Create the accounts that are missing, and two orders for each of `accounts` that has none."""
    usernames = [account.username for account in accounts]
    present = set(User.objects.filter(username__in=usernames).values_list("username", flat=True))
    # Hashed before the transaction: SQLite's write lock must not wait for it.
    users = _hashed([account for account in accounts if account.username not in present])
    with transaction.atomic():
        User.objects.bulk_create(users)
        _place_orders(usernames)


def _hashed(accounts: list[seeding.Account]) -> list[User]:
    """Build the rows on all cores; hashlib lets go of the GIL."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(partial(seeding.user, now=timezone.now().replace(microsecond=0)), accounts))


def _place_orders(usernames: list[str]) -> None:
    shelf = list(Product.objects.order_by("id"))
    customers = User.objects.filter(username__in=usernames, orders__isnull=True).order_by("id")
    orders = Order.objects.bulk_create(chain.from_iterable(map(seeding.orders_of, customers)))
    Item.objects.bulk_create(item for order in orders for item in seeding.items_of(order, shelf))
