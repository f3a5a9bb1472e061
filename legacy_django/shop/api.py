"""The shop's REST API: every customer sees their own, and nothing of anybody else's."""

from typing import Any, cast

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.generics import ListAPIView, RetrieveAPIView
from rest_framework.permissions import SAFE_METHODS, BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.serializers import (
    BaseSerializer,
    DateTimeField,
    DecimalField,
    ModelSerializer,
    SlugRelatedField,
)
from rest_framework.views import APIView
from rest_framework.viewsets import ModelViewSet

from legacy_django.shop.models import Item, Order, Product

__all__ = ["ItemList", "Me", "OrderViewSet"]


class UserSerializer(ModelSerializer[User]):
    """What customers may know of their own account."""

    class Meta:
        """Nothing that authenticates."""

        model = User
        fields = ["id", "username", "email", "first_name", "last_name", "is_staff"]
        read_only_fields = fields


class ItemSerializer(ModelSerializer[Item]):
    """An order line; the product by its slug, the money as a string."""

    product = SlugRelatedField(slug_field="slug", queryset=Product.objects.all())
    ordered_at = DateTimeField(source="order.placed_at", read_only=True)

    class Meta:
        """The price is the shop's to say."""

        model = Item
        fields = ["id", "product", "quantity", "unit_price", "ordered_at"]
        read_only_fields = ["unit_price"]


class OrderSerializer(ModelSerializer[Order]):
    """An order with its lines."""

    items = ItemSerializer(many=True, allow_empty=False)
    total = DecimalField(max_digits=12, decimal_places=2, read_only=True)

    class Meta:
        """A customer chooses the lines and nothing else."""

        model = Order
        fields = ["id", "placed_at", "status", "total", "items"]
        read_only_fields = ["placed_at", "status"]

    def validate_items(self, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Refuse a product that appears twice."""
        if len({line["product"].pk for line in lines}) < len(lines):
            raise ValidationError("A product appears once in an order; raise its quantity instead.")
        return lines

    @transaction.atomic
    def create(self, validated_data: dict[str, Any]) -> Order:
        """Place an order at today's prices."""
        lines = validated_data.pop("items")
        return _with_lines(Order.objects.create(**validated_data), lines)

    @transaction.atomic
    def update(self, instance: Order, validated_data: dict[str, Any]) -> Order:
        """Replace the lines, if there are new ones."""
        lines = validated_data.get("items")
        if lines is None:
            return instance
        instance.items.all().delete()
        return _with_lines(instance, lines)


def _with_lines(order: Order, lines: list[dict[str, Any]]) -> Order:
    items = [Item(order=order, unit_price=line["product"].price, **line) for line in lines]
    Item.objects.bulk_create(items)
    # Read anew: an order that was fetched with its lines still remembers the old ones.
    return Order.objects.get(pk=order.pk)


class ChangeableWhilePlaced(BasePermission):
    """Lets customers change or withdraw an order until it leaves the house."""

    message = "This order can no longer be changed."

    def has_object_permission(self, request: Request, view: APIView, obj: Order) -> bool:  # noqa: ARG002
        """Allow reading at any time and writing while the order is only placed."""
        return request.method in SAFE_METHODS or obj.status == Order.Status.PLACED


class Me(RetrieveAPIView[User]):
    """`/api/me/`: the caller's account."""

    serializer_class = UserSerializer

    def get_object(self) -> User:
        """Return the caller."""
        return _customer(self.request)


class ItemList(ListAPIView[Item]):
    """`/api/items/`: the caller's order lines, newest first."""

    serializer_class = ItemSerializer

    def get_queryset(self) -> QuerySet[Item]:
        """Return the caller's lines with all that the answer shows of them, in one query."""
        lines = Item.objects.filter(order__customer=_customer(self.request))
        return lines.select_related("order", "product").order_by("-order__placed_at", "-id")


class OrderViewSet(ModelViewSet[Order]):
    """`/api/orders/`: the caller's orders."""

    serializer_class = OrderSerializer
    permission_classes = [IsAuthenticated, ChangeableWhilePlaced]

    def get_queryset(self) -> QuerySet[Order]:
        """Return the caller's orders; anybody else's is a 404."""
        return Order.objects.filter(customer=_customer(self.request)).prefetch_related("items__product")

    def perform_create(self, serializer: BaseSerializer[Order]) -> None:
        """Place the order in the caller's name."""
        serializer.save(customer=_customer(self.request))


def _customer(request: Request) -> User:
    """Return the caller; the permission class has turned anonymous ones away."""
    return cast("User", request.user)
