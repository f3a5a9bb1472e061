"""What the shop sells, and who ordered what."""

from decimal import Decimal

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

__all__ = ["Item", "Order", "Product"]

# No CheckConstraint below: Django 4.2 wants `check=`, 6.0 takes only `condition=`, and one migration must
# serve both.


class Product(models.Model):
    """A thing on the shelf."""

    name = models.CharField(max_length=100)
    slug = models.SlugField(max_length=100, unique=True)
    price = models.DecimalField(max_digits=8, decimal_places=2, validators=[MinValueValidator(Decimal(0))])

    class Meta:
        """By name, as on the shelf."""

        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Order(models.Model):
    """What one customer ordered at one time."""

    class Status(models.TextChoices):
        """How far an order has come."""

        PLACED = "placed", "Placed"
        SHIPPED = "shipped", "Shipped"
        DELIVERED = "delivered", "Delivered"
        CANCELLED = "cancelled", "Cancelled"

    customer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="orders")
    placed_at = models.DateTimeField(default=timezone.now, editable=False)
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.PLACED)

    class Meta:
        """Newest first, with the index that a customer's own list reads."""

        ordering = ["-placed_at", "-id"]
        indexes = [models.Index(fields=["customer", "-placed_at"], name="shop_order_by_customer")]

    def __str__(self) -> str:
        return f"Order {self.pk}"

    @property
    def total(self) -> Decimal:
        """The sum over the order's lines; prefetch `items` when there are many orders."""
        return sum((item.subtotal for item in self.items.all()), Decimal("0.00"))


class Item(models.Model):
    """One line of an order, at the price of that day."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="items")
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="items")
    quantity = models.PositiveSmallIntegerField(
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(999)],
    )
    unit_price = models.DecimalField(max_digits=8, decimal_places=2, validators=[MinValueValidator(Decimal(0))])

    class Meta:
        """In the order of entry; a product appears once in an order."""

        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["order", "product"], name="shop_item_once_per_order")]

    def __str__(self) -> str:
        return f"{self.quantity} x {self.product}"

    @property
    def subtotal(self) -> Decimal:
        """Quantity times unit price."""
        return self.quantity * self.unit_price
