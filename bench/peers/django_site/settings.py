"""Its settings, all from the environment."""

import os

from legacy_django.database import configuration

SECRET_KEY = os.environ["BENCH_SECRET"]
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = [
    *("django.contrib.auth", "django.contrib.contenttypes"),
    *("rest_framework", "rest_framework_simplejwt.token_blacklist"),
]
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"]
ROOT_URLCONF = "bench.peers.django_site.urls"
DATABASES = {
    "default": configuration(os.environ["BENCH_DATABASE_URL"])
    | {"CONN_MAX_AGE": int(os.environ["BENCH_CONNECTION_AGE"] or 3600), "CONN_HEALTH_CHECKS": False}
}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = True
SIMPLE_JWT = {"ROTATE_REFRESH_TOKENS": True, "BLACKLIST_AFTER_ROTATION": True}
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework_simplejwt.authentication.JWTAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
}
