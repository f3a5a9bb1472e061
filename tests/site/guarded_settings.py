"""The shop with second factors and a lockout: django-otp, allauth and django-axes; SITE_VARIANT says what is other."""

import json
import os

from tests.site.settings import *  # noqa: F403
from tests.site.settings import INSTALLED_APPS as _APPS
from tests.site.settings import MIDDLEWARE as _MIDDLEWARE

INSTALLED_APPS = [
    *_APPS,
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "django_otp.plugins.otp_email",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "axes",
]
MIDDLEWARE = [
    *_MIDDLEWARE,
    "django_otp.middleware.OTPMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "axes.middleware.AxesMiddleware",
]
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
ROOT_URLCONF = "tests.site.guarded_urls"
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_RATE_LIMITS = {"login": None, "login_failed": "4/600s/key"}
MFA_TOTP_TOLERANCE = 1
AXES_LOCKOUT_PARAMETERS = ["username"]
AXES_COOLOFF_TIME = 1
AXES_RESET_ON_SUCCESS = True
AXES_ENABLE_ACCESS_FAILURE_LOG = True

globals().update(json.loads(os.environ.get("SITE_VARIANT", "{}")))
