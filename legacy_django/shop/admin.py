"""The shop in Django's admin."""

from django.contrib import admin

from legacy_django.shop.models import Item, Order, Product

# Django's admin classes take no type parameters at run time, whence the ignores.


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """The shelf."""

    list_display = ["name", "price"]
    search_fields = ["name", "slug"]
    prepopulated_fields = {"slug": ["name"]}


class ItemInline(admin.TabularInline):  # type: ignore[type-arg]
    """The lines of an order, inside its page."""

    model = Item
    extra = 0
    autocomplete_fields = ["product"]


@admin.register(Order)
class OrderAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Orders, newest first."""

    list_display = ["__str__", "customer", "placed_at", "status"]
    list_filter = ["status", "placed_at"]
    list_select_related = ["customer"]
    search_fields = ["customer__username", "customer__email"]
    autocomplete_fields = ["customer"]
    readonly_fields = ["placed_at"]
    inlines = [ItemInline]
