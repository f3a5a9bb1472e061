"""allauth's headless API and a protected view."""

from django.urls import include, path

from tests.site.peers.views import me

urlpatterns = [path("_allauth/", include("allauth.headless.urls")), path("me/", me)]
