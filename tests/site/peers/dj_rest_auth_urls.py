"""dj-rest-auth's own URLs, which include a protected view."""

from django.urls import include, path

urlpatterns = [path("", include("dj_rest_auth.urls"))]
