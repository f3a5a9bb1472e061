"""The shop's pages, and an API that knows members."""

from typing import cast

from django.contrib import admin
from django.urls import include, path
from rest_framework.fields import CharField
from rest_framework.generics import RetrieveAPIView
from rest_framework.serializers import Serializer
from rest_framework_simplejwt.views import TokenObtainPairView

from tests.site.members.models import Member


class MemberSerializer(Serializer[Member]):
    """What members may know of themselves."""

    id = CharField(source="pk")
    email = CharField()


class Me(RetrieveAPIView[Member]):
    """The caller."""

    serializer_class = MemberSerializer

    def get_object(self) -> Member:
        return cast("Member", self.request.user)


urlpatterns = [
    path("", include("legacy_django.shop.urls")),
    path("api/me/", Me.as_view()),
    path("api/token/", TokenObtainPairView.as_view()),
    path("admin/", admin.site.urls),
]
