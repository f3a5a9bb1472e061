"""SimpleJWT's login and a protected view."""

from django.urls import path
from rest_framework_simplejwt.views import TokenObtainPairView

from tests.site.peers.views import me

urlpatterns = [path("login/", TokenObtainPairView.as_view()), path("me/", me)]
