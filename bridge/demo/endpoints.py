"""The shop's migrated endpoints, written as a customer would write theirs."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter
from pydantic import AfterValidator, BaseModel

from bridge.web.dependencies import CurrentUser, SiteDatabase

__all__ = ["router"]

router = APIRouter(tags=["shop"])

_ITEMS_OF_USER = """
    SELECT item.id, product.slug AS product, item.quantity, item.unit_price, shop_order.placed_at AS ordered_at
    FROM shop_item item
    JOIN shop_order ON shop_order.id = item.order_id
    JOIN shop_product product ON product.id = item.product_id
    WHERE shop_order.customer_id = :customer
    ORDER BY shop_order.placed_at DESC, item.id DESC
    LIMIT 100
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


@router.get("/users/me/items/", responses={401: {"description": "No valid access token, and no live session"}})
async def my_items(user: CurrentUser, database: SiteDatabase) -> list[Item]:
    """List what the user ordered, newest first, from the Django site's tables."""
    rows = await database.fetch_all(_ITEMS_OF_USER, {"customer": user.key})
    return [Item.model_validate(dict(row)) for row in rows]
