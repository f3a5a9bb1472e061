"""Settings of the shop, all from the environment; no secret has a default."""

from datetime import timedelta
from typing import Any

from legacy_django import database
from legacy_django.environment import listed, required, switched_on

_RANDOM = "set it to what `python -c 'import secrets; print(secrets.token_urlsafe(50))'` prints"

SECRET_KEY = required("DJANGO_SECRET_KEY", cure=_RANDOM)
DEBUG = switched_on("DJANGO_DEBUG")
ALLOWED_HOSTS = listed("DJANGO_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "rest_framework_simplejwt.token_blacklist",
    "bridge.contrib.django",
    "legacy_django.shop",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "bridge.contrib.django.middleware.AuthenticationMiddleware",
    "bridge.contrib.django.middleware.BearerTokenMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "legacy_django.urls"
WSGI_APPLICATION = "legacy_django.wsgi.application"
ASGI_APPLICATION = "legacy_django.asgi.application"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {
    "default": database.configuration(
        required("DATABASE_URL", cure="set it to the shop's database, such as sqlite:///shop.db"),
    ),
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Passwords. The first hasher writes; the others read what the shop's earlier Djangos wrote.
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2SHA1PasswordHasher",
    "django.contrib.auth.hashers.BCryptSHA256PasswordHasher",
    "django.contrib.auth.hashers.BCryptPasswordHasher",
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.MD5PasswordHasher",
    # Django 5.1 dropped these three.
    "bridge.contrib.django.hashers.SHA1PasswordHasher",
    "bridge.contrib.django.hashers.UnsaltedSHA1PasswordHasher",
    "bridge.contrib.django.hashers.UnsaltedMD5PasswordHasher",
]

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "profile"
LOGOUT_REDIRECT_URL = "products"

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

# Static files come straight from the apps: no collectstatic, no STATIC_ROOT.
STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True

CSRF_TRUSTED_ORIGINS = listed("DJANGO_CSRF_TRUSTED_ORIGINS")
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# Opt-in, for a shop behind a proxy that ends TLS and owns X-Forwarded-Proto.
if switched_on("DJANGO_HTTPS"):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "bridge.contrib.rest_framework.JWTAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}

SIMPLE_JWT = {
    "ALGORITHM": "HS256",
    "SIGNING_KEY": required("JWT_SIGNING_KEY", cure=_RANDOM),
    "USER_ID_FIELD": "id",
    "USER_ID_CLAIM": "user_id",
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=15),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=14),
    "ROTATE_REFRESH_TOKENS": True,
    "BLACKLIST_AFTER_ROTATION": True,
    "TOKEN_OBTAIN_SERIALIZER": "bridge.contrib.rest_framework.TokenObtainPairSerializer",
    "TOKEN_REFRESH_SERIALIZER": "bridge.contrib.rest_framework.TokenRefreshSerializer",
    "TOKEN_BLACKLIST_SERIALIZER": "bridge.contrib.rest_framework.TokenBlacklistSerializer",
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    # Named to shed Django's own console and e-mail handlers: one line an event, on stderr.
    "loggers": {"django": {"level": "INFO"}},
}
