"""The shop's pages: plain Django views behind a session."""

from typing import cast

from asgiref.sync import sync_to_async
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views import View
from django.views.decorators.http import require_http_methods, require_safe

from legacy_django.shop.models import Order, Product

__all__ = ["WhoAmIAsync", "orders", "products", "profile", "whoami"]


@require_safe
def products(request: HttpRequest) -> HttpResponse:
    """Show what the shop sells."""
    return render(request, "shop/products.html", {"products": Product.objects.all()})


@require_safe
@login_required
def orders(request: HttpRequest) -> HttpResponse:
    """Show the customer's own orders, newest first."""
    own = Order.objects.filter(customer=cast("User", request.user)).prefetch_related("items__product")
    return render(request, "shop/orders.html", {"orders": own})


@require_safe
@login_required
def profile(request: HttpRequest) -> HttpResponse:
    """Show the customer's account."""
    return render(request, "shop/profile.html")


@require_http_methods(["GET", "POST"])
@login_required
def whoami(request: HttpRequest) -> JsonResponse:
    """Answer who is calling and how."""
    return _introduction(request, cast("User", request.user))


class WhoAmIAsync(View):
    """The same on the event loop.

    A class, since Django's `require_http_methods` and `login_required` take no coroutines before 5.0 and 5.1.
    """

    async def get(self, request: HttpRequest) -> HttpResponse:
        """Answer who is calling and how; send anonymous callers to the login page."""
        user = await _auser(request)
        if not isinstance(user, User):
            return redirect_to_login(request.get_full_path())
        return _introduction(request, user)

    async def post(self, request: HttpRequest) -> HttpResponse:
        """Answer as `get` does."""
        return await self.get(request)


def _introduction(request: HttpRequest, user: User) -> JsonResponse:
    return JsonResponse({"username": user.get_username(), "method": request.method})


async def _auser(request: HttpRequest) -> User | AnonymousUser:
    """Return `await request.auser()`, which Django 4.2 does not have yet."""
    auser = getattr(request, "auser", None)
    if auser is not None:
        return cast("User | AnonymousUser", await auser())
    return await sync_to_async(_user)(request)


def _user(request: HttpRequest) -> User | AnonymousUser:
    """Read the lazy `request.user` now, on a thread that may use the ORM."""
    user = request.user
    return user if user.is_authenticated else AnonymousUser()
