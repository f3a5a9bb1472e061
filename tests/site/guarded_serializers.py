"""A login of this site's own at SimpleJWT's view."""

from typing import Any

from django_otp import match_token

from bridge.contrib.rest_framework import TokenObtainPairSerializer


class AskingSerializer(TokenObtainPairSerializer):
    """Takes a code of django-otp's together with the password."""

    def require_second_factor(self, user: Any) -> None:
        code = str(self.initial_data.get("code", ""))
        if not code or match_token(user, code) is None:
            super().require_second_factor(user)
