"""ninja-jwt's login and a protected view."""

from django.http import HttpRequest
from django.urls import path
from ninja_extra import NinjaExtraAPI
from ninja_jwt.authentication import JWTAuth
from ninja_jwt.controller import NinjaJWTDefaultController

api = NinjaExtraAPI()
api.register_controllers(NinjaJWTDefaultController)


@api.get("/me/", auth=JWTAuth())
def me(request: HttpRequest) -> dict[str, str]:
    """Say who is calling."""
    return {"username": request.user.get_username()}


urlpatterns = [path("api/", api.urls)]
