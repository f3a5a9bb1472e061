"""The REST API's URLs, and SimpleJWT's own views for its tokens."""

from django.urls import include, path
from rest_framework.routers import SimpleRouter
from rest_framework_simplejwt.views import (
    TokenBlacklistView,
    TokenObtainPairView,
    TokenRefreshView,
    TokenVerifyView,
)

from legacy_django.shop import api

router = SimpleRouter()
router.register("orders", api.OrderViewSet, basename="order")

urlpatterns = [
    path("me/", api.Me.as_view(), name="api-me"),
    path("items/", api.ItemList.as_view(), name="api-items"),
    path("token/", TokenObtainPairView.as_view(), name="token-obtain-pair"),
    path("token/refresh/", TokenRefreshView.as_view(), name="token-refresh"),
    path("token/blacklist/", TokenBlacklistView.as_view(), name="token-blacklist"),
    path("token/verify/", TokenVerifyView.as_view(), name="token-verify"),
    path("", include(router.urls)),
]
