"""The shop with an API of django-ninja's: synchronous and asynchronous views, behind either class."""

from typing import Any

from django.http import HttpRequest
from django.urls import include, path
from ninja import NinjaAPI

from bridge.contrib.ninja import AsyncBearerAuth, BearerAuth

api = NinjaAPI(auth=BearerAuth())


def who(request: HttpRequest) -> dict[str, Any]:
    """Answer who is calling, as the view sees it."""
    auth: Any = request.auth  # type: ignore[attr-defined]  # django-ninja sets it
    return {"username": request.user.get_username(), "auth": auth.get_username()}


@api.api_operation(["GET", "POST"], "/sync")
def sync_view(request: HttpRequest) -> dict[str, Any]:
    """Answer in a thread."""
    return who(request)


@api.api_operation(["GET", "POST"], "/async")
async def async_view(request: HttpRequest) -> dict[str, Any]:
    """Answer on the event loop."""
    return who(request)


@api.api_operation(["GET", "POST"], "/async/async", auth=AsyncBearerAuth())
async def async_view_and_class(request: HttpRequest) -> dict[str, Any]:
    """Answer on the event loop, having been asked there."""
    return who(request)


urlpatterns = [path("ninja/", api.urls), path("", include("legacy_django.urls"))]
