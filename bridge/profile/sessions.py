"""What decides over the site's sessions, and over requests that come with their cookie."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

__all__ = ["TABLE_ENGINES", "CsrfProfile", "SessionProfile"]

_ROW_ENGINE: Final = "django.contrib.sessions.backends.db"
TABLE_ENGINES: Final = (_ROW_ENGINE, "django.contrib.sessions.backends.cached_db")
_COOKIE_ENGINE: Final = "django.contrib.sessions.backends.signed_cookies"
_JSON_SERIALIZERS: Final = ("django.contrib.sessions.serializers.JSONSerializer", "django.core.signing.JSONSerializer")
_MODEL_BACKEND: Final = "django.contrib.auth.backends.ModelBackend"


@dataclass(frozen=True, slots=True)
class SessionProfile:
    """What decides over the site's sessions.

    Attributes:
        in_use: whether ``SessionMiddleware`` is in MIDDLEWARE, and the table's app is installed.
        cookie_age: SESSION_COOKIE_AGE in seconds.
        cookie_name: SESSION_COOKIE_NAME; the other ``cookie_`` ones likewise.
        engine: SESSION_ENGINE.
        serializer: SESSION_SERIALIZER.
        backends: AUTHENTICATION_BACKENDS; a session names the one that it was opened by.
        login_url: LOGIN_URL as a path or address.
        auth_hash_is_stock: whether the user model derives it as ``AbstractBaseUser`` does; lineage knows no other.
        password_check_is_stock: whether Django's own upgrade on login writes lineage.
        middleware_keeps_keys: whether no AuthenticationMiddleware of Django's own is in place.
        middleware_ends_sessions: whether the app's is, by which a session ends with the grants that it is joined to.
    """

    in_use: bool = True
    cookie_age: int = 1_209_600
    cookie_name: str = "sessionid"
    cookie_domain: str | None = None
    cookie_path: str = "/"
    cookie_secure: bool = False
    cookie_samesite: str | None = "Lax"
    engine: str = "django.contrib.sessions.backends.db"
    serializer: str = "django.contrib.sessions.serializers.JSONSerializer"
    backends: tuple[str, ...] = (_MODEL_BACKEND,)
    login_url: str = "/accounts/login/"
    auth_hash_is_stock: bool = True
    password_check_is_stock: bool = True
    middleware_keeps_keys: bool = True
    middleware_ends_sessions: bool = True

    @property
    def storage(self) -> Literal["table", "cookie"] | None:
        """Where the bridge can read sessions; None where it cannot, or there are none."""
        if not self.in_use or self.serializer not in _JSON_SERIALIZERS:
            return None
        if self.engine in TABLE_ENGINES:
            return "table"
        return "cookie" if self.engine == _COOKIE_ENGINE else None

    @property
    def in_table(self) -> bool:
        """Whether they have rows, which the bridge can delete even where it cannot read them."""
        return self.in_use and self.engine in TABLE_ENGINES

    @property
    def outlive_logout(self) -> bool:
        """Whether the site goes on with a session that the bridge has ended, from a copy of the row or without any."""
        return self.in_use and self.engine != _ROW_ENGINE and not self.middleware_ends_sessions

    @property
    def obstacle(self) -> str | None:
        """Name the setting for which the bridge cannot read the sessions that there are; None without one."""
        if not self.in_use or self.storage is not None:
            return None
        if self.serializer not in _JSON_SERIALIZERS:
            return f"SESSION_SERIALIZER is {self.serializer}"
        return f"SESSION_ENGINE is {self.engine}"

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read the JSON form."""
        return cls(**{**document, "backends": tuple(document["backends"])})


@dataclass(frozen=True, slots=True)
class CsrfProfile:
    """What ``CsrfViewMiddleware`` decides by; each field is the setting of its name.

    Attributes:
        session_cookie_domain: SESSION_COOKIE_DOMAIN, which counts with CSRF_USE_SESSIONS.
        allowed_hosts: ALLOWED_HOSTS, with what DEBUG adds to an empty one.
        secure_proxy_ssl_header: SECURE_PROXY_SSL_HEADER: the header as in ``request.META`` and its secure value.
        is_enforced: whether ``CsrfViewMiddleware`` is in MIDDLEWARE.
    """

    use_sessions: bool = False
    cookie_name: str = "csrftoken"
    cookie_domain: str | None = None
    header_name: str = "HTTP_X_CSRFTOKEN"
    trusted_origins: tuple[str, ...] = ()
    session_cookie_domain: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    use_x_forwarded_host: bool = False
    use_x_forwarded_port: bool = False
    secure_proxy_ssl_header: tuple[str, str] | None = None
    is_enforced: bool = True

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read the JSON form."""
        header = document["secure_proxy_ssl_header"]
        return cls(
            **{
                **document,
                "trusted_origins": tuple(document["trusted_origins"]),
                "allowed_hosts": tuple(document["allowed_hosts"]),
                "secure_proxy_ssl_header": None if header is None else (header[0], header[1]),
            }
        )
