"""The shop's URLs, with the login pages of django-otp and allauth."""

from django.urls import include, path
from django_otp.views import LoginView

from legacy_django.urls import urlpatterns as _shop

urlpatterns = [
    *_shop,
    path("otp/login/", LoginView.as_view(template_name="shop/login.html")),
    path("allauth/", include("allauth.urls")),
]
