"""The protected view of the peers that bring none."""

from django.http import HttpRequest
from rest_framework.decorators import api_view, permission_classes
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response

__all__ = ["me"]


@api_view(["GET"])
@permission_classes([IsAuthenticated])
def me(request: HttpRequest) -> Response:
    """Say who is calling."""
    return Response({"username": request.user.get_username()})
