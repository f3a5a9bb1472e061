"""django-allauth, headless, whose JWT strategy validates without a look at the session."""

from tests.site.peers.settings import *  # noqa: F403
from tests.site.peers.settings import INSTALLED_APPS as _APPS
from tests.site.peers.settings import MIDDLEWARE as _MIDDLEWARE
from tests.site.peers.settings import SIMPLE_JWT

INSTALLED_APPS = [*_APPS, "rest_framework", "allauth", "allauth.account", "allauth.headless"]
MIDDLEWARE = [*_MIDDLEWARE, "allauth.account.middleware.AccountMiddleware"]
ROOT_URLCONF = "tests.site.peers.allauth_urls"
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["allauth.headless.contrib.rest_framework.authentication.JWTTokenAuthentication"]
}
ACCOUNT_EMAIL_VERIFICATION = "none"
HEADLESS_ONLY = True
HEADLESS_CLIENTS = ("app",)
HEADLESS_TOKEN_STRATEGY = "allauth.headless.tokens.strategies.jwt.JWTTokenStrategy"
HEADLESS_JWT_ALGORITHM = SIMPLE_JWT["ALGORITHM"]
HEADLESS_JWT_PRIVATE_KEY = SIMPLE_JWT["SIGNING_KEY"]
HEADLESS_JWT_STATEFUL_VALIDATION_ENABLED = False
