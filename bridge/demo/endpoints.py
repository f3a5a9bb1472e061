"""The shop's migrated endpoints, written as a customer would write theirs.

``first_try`` is what was deployed first, with a mistake that is planted for the walk-through; ``router`` is right.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import AfterValidator, BaseModel

from bridge.web.dependencies import CurrentUser, SiteDatabase

__all__ = ["first_try", "router"]

router = APIRouter(tags=["shop"])
first_try = APIRouter(tags=["shop"])

_NOT_LOGGED_IN: dict[int | str, dict[str, Any]] = {401: {"description": "No valid access token, and no live session"}}

_ITEMS_OF_USER = """
    SELECT item.id, product.slug AS product, item.quantity, item.unit_price, shop_order.placed_at AS ordered_at
    FROM shop_item item
    JOIN shop_order ON shop_order.id = item.order_id
    JOIN shop_product product ON product.id = item.product_id
    WHERE shop_order.customer_id = :customer
    ORDER BY shop_order.placed_at DESC, item.id DESC
"""


def _in_cents(price: Decimal) -> Decimal:
    # SQLite keeps a DecimalField as a float.
    return price.quantize(Decimal("0.01"))


def _in_utc(moment: datetime) -> datetime:
    # SQLite keeps a DateTimeField as text without a zone.
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


class Item(BaseModel):
    """One line of an order, as the site's ``/api/items/`` shows it."""

    id: int
    product: str
    quantity: int
    unit_price: Annotated[Decimal, AfterValidator(_in_cents)]
    ordered_at: Annotated[datetime, AfterValidator(_in_utc)]


class FirstItem(Item):
    """What ``first_try`` gives: a planted mistake, since the site sends the price as a string, ``"9.90"``."""

    unit_price: float  # type: ignore[assignment]  # the mistake


@router.get("/users/me/items/", responses=_NOT_LOGGED_IN)
@first_try.get("/users/me/items/", responses=_NOT_LOGGED_IN)
async def my_items(user: CurrentUser, database: SiteDatabase) -> list[Item]:
    """List what the user ordered lately, newest first, from the Django site's tables."""
    rows = await database.fetch_all(f"{_ITEMS_OF_USER} LIMIT 100", {"customer": user.key})
    return [Item.model_validate(dict(row)) for row in rows]


@router.get("/api/items/", responses=_NOT_LOGGED_IN)
async def items(user: CurrentUser, database: SiteDatabase) -> list[Item]:
    """List all that the user ordered, newest first, in the JSON of the Django site's ``ItemList``."""
    rows = await database.fetch_all(_ITEMS_OF_USER, {"customer": user.key})
    return [Item.model_validate(dict(row)) for row in rows]


@first_try.get("/api/items/", responses=_NOT_LOGGED_IN)
async def first_items(user: CurrentUser, database: SiteDatabase) -> list[FirstItem]:
    """Do the same, with the mistake of ``FirstItem``."""
    rows = await database.fetch_all(_ITEMS_OF_USER, {"customer": user.key})
    return [FirstItem.model_validate(dict(row)) for row in rows]
