"""The shop's URLs, with the login pages of django-otp and allauth, and SimpleJWT's with serializers of other kinds."""

from django.urls import include, path
from django_otp.views import LoginView
from rest_framework_simplejwt.serializers import TokenObtainPairSerializer
from rest_framework_simplejwt.views import TokenObtainPairView

from legacy_django.urls import urlpatterns as _shop
from tests.site.guarded_serializers import AskingSerializer

urlpatterns = [
    *_shop,
    path("otp/login/", LoginView.as_view(template_name="shop/login.html")),
    path("allauth/", include("allauth.urls")),
    path("stock/token/", TokenObtainPairView.as_view(serializer_class=TokenObtainPairSerializer)),
    path("asking/token/", TokenObtainPairView.as_view(serializer_class=AskingSerializer)),
]
