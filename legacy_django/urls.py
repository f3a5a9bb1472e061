"""Every URL of the site."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("legacy_django.shop.urls")),
    path("api/", include("legacy_django.shop.api_urls")),
    path("bridge/", include("bridge.contrib.django.urls")),
    path("admin/", admin.site.urls),
]
