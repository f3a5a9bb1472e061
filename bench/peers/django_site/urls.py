"""Its one endpoint, and where SimpleJWT refreshes."""

from typing import Any, ClassVar

from django.contrib.auth.models import User
from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.views import TokenRefreshView

__all__ = ["urlpatterns"]


class ProfileSerializer(serializers.ModelSerializer[User]):
    """The body that every side answers."""

    full_name = serializers.CharField(source="get_full_name")
    disabled = serializers.SerializerMethodField()

    class Meta:
        model = User
        fields: ClassVar[Any] = [
            *("id", "username", "email", "first_name", "last_name", "full_name", "disabled"),
            *("is_active", "is_staff", "is_superuser", "date_joined", "last_login"),
        ]

    def get_disabled(self, user: User) -> bool:
        """Tell it the other way round."""
        return not user.is_active


class MyProfile(APIView):
    """Shows the user who is asking."""

    def get(self, request: Request) -> Response:
        """Answer GET."""
        assert isinstance(request.user, User)  # noqa: S101  # the permission classes see to it
        return Response(ProfileSerializer(request.user).data)


urlpatterns = [path("users/me/", MyProfile.as_view()), path("token/refresh/", TokenRefreshView.as_view())]
