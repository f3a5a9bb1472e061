"""Configuration of the shop app."""

from django.apps import AppConfig


class ShopConfig(AppConfig):
    """The shop, under the label `shop`: its tables are `shop_*`."""

    name = "legacy_django.shop"
    label = "shop"
    verbose_name = "Shop"
    default_auto_field = "django.db.models.BigAutoField"
