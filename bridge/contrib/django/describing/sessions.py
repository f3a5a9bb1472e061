"""Sessions, and what decides over requests that come with their cookie."""

from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.middleware import AuthenticationMiddleware as DjangoAuthenticationMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.middleware.csrf import CsrfViewMiddleware
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch
from django.utils.module_loading import import_string

from bridge.contrib.django.middleware import AuthenticationMiddleware
from bridge.contrib.django.upgrades import has_stock_password_check
from bridge.profile import CsrfProfile, SessionProfile
from bridge.profile.sessions import TABLE_ENGINES

__all__ = ["csrf", "sessions"]


def sessions(model: type[Any]) -> SessionProfile:
    """Describe sessions, for a user model."""
    return SessionProfile(
        in_use=_are_in_use(),
        cookie_age=settings.SESSION_COOKIE_AGE,
        cookie_name=settings.SESSION_COOKIE_NAME,
        cookie_domain=settings.SESSION_COOKIE_DOMAIN,
        cookie_path=settings.SESSION_COOKIE_PATH,
        cookie_secure=settings.SESSION_COOKIE_SECURE,
        cookie_samesite=settings.SESSION_COOKIE_SAMESITE or None,
        engine=settings.SESSION_ENGINE,
        serializer=settings.SESSION_SERIALIZER,
        backends=tuple(settings.AUTHENTICATION_BACKENDS),
        login_url=_login_url(),
        auth_hash_is_stock=_has_stock_auth_hash(model),
        password_check_is_stock=has_stock_password_check(model),
        middleware_keeps_keys=not any(_is_stock_authentication(path) for path in settings.MIDDLEWARE),
        middleware_ends_sessions=_has_middleware(AuthenticationMiddleware),
    )


def _are_in_use() -> bool:
    lacks_table = settings.SESSION_ENGINE in TABLE_ENGINES and not apps.is_installed("django.contrib.sessions")
    return _has_middleware(SessionMiddleware) and not lacks_table


def _has_stock_auth_hash(model: type[Any]) -> bool:
    fallback = getattr(model, "get_session_auth_fallback_hash", None)
    return (
        model.get_session_auth_hash is AbstractBaseUser.get_session_auth_hash
        and getattr(fallback, "without_lineage", None) is AbstractBaseUser.get_session_auth_fallback_hash
    )


def _is_stock_authentication(path: str) -> bool:
    return import_string(path) is DjangoAuthenticationMiddleware


def _login_url() -> str:
    """Resolve LOGIN_URL, which may be a URL pattern's name, as ``login_required`` does."""
    if getattr(settings, "ROOT_URLCONF", None) is None:
        return str(settings.LOGIN_URL)
    try:
        return str(resolve_url(settings.LOGIN_URL))
    except NoReverseMatch:
        return str(settings.LOGIN_URL)  # nothing at the site needs a login, or none could be reached
    except Exception:  # noqa: BLE001  # the URLconf, the site's own code, cannot be imported: what describes it says so
        return str(settings.LOGIN_URL)


def csrf() -> CsrfProfile:
    """Describe what ``CsrfViewMiddleware`` decides by."""
    header: Any = settings.SECURE_PROXY_SSL_HEADER
    return CsrfProfile(
        use_sessions=settings.CSRF_USE_SESSIONS,
        cookie_name=settings.CSRF_COOKIE_NAME,
        cookie_domain=settings.CSRF_COOKIE_DOMAIN,
        header_name=settings.CSRF_HEADER_NAME,
        trusted_origins=tuple(settings.CSRF_TRUSTED_ORIGINS),
        session_cookie_domain=settings.SESSION_COOKIE_DOMAIN,
        allowed_hosts=_allowed_hosts(),
        use_x_forwarded_host=settings.USE_X_FORWARDED_HOST,
        use_x_forwarded_port=settings.USE_X_FORWARDED_PORT,
        secure_proxy_ssl_header=None if header is None else (header[0], header[1]),
        is_enforced=_has_middleware(CsrfViewMiddleware),
    )


def _allowed_hosts() -> tuple[str, ...]:
    if settings.DEBUG and not settings.ALLOWED_HOSTS:
        return (".localhost", "127.0.0.1", "[::1]")  # django.http.request.HttpRequest.get_host
    return tuple(settings.ALLOWED_HOSTS)


def _has_middleware(wanted: type) -> bool:
    found = (import_string(path) for path in settings.MIDDLEWARE)
    return any(isinstance(each, type) and issubclass(each, wanted) for each in found)
