"""Django REST framework with SimpleJWT."""

from tests.site.peers.settings import *  # noqa: F403
from tests.site.peers.settings import INSTALLED_APPS as _APPS

INSTALLED_APPS = [*_APPS, "rest_framework"]
ROOT_URLCONF = "tests.site.peers.simplejwt_urls"
REST_FRAMEWORK = {"DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework_simplejwt.authentication.JWTAuthentication"]}
