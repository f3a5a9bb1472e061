"""Django REST framework with dj-rest-auth, which issues SimpleJWT's tokens."""

from tests.site.peers.settings import *  # noqa: F403
from tests.site.peers.settings import INSTALLED_APPS as _APPS

INSTALLED_APPS = [*_APPS, "rest_framework", "dj_rest_auth"]
ROOT_URLCONF = "tests.site.peers.dj_rest_auth_urls"
REST_FRAMEWORK = {"DEFAULT_AUTHENTICATION_CLASSES": ["dj_rest_auth.jwt_auth.JWTCookieAuthentication"]}
REST_AUTH = {"USE_JWT": True, "JWT_AUTH_HTTPONLY": False, "SESSION_LOGIN": False, "TOKEN_MODEL": None}
