"""Django's CSRF rules, without Django's settings: what ``CsrfViewMiddleware`` would say of a request.

The verdict, and its words, are Django's; ``tests/contrib/test_csrf_verdicts.py`` holds them to the real middleware.
"""

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from string import ascii_letters, digits
from typing import Final
from urllib.parse import SplitResult, urlsplit

from django.http.cookie import parse_cookie
from django.http.request import split_domain_port, validate_host
from django.utils.http import is_same_domain

__all__ = [
    "FORM_FIELD",
    "SAFE_METHODS",
    "CsrfRequest",
    "CsrfRules",
    "csrf_rejection",
    "header_meta",
    "is_allowed_host",
    "request_cookies",
]

FORM_FIELD: Final = "csrfmiddlewaretoken"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_ALPHABET: Final = ascii_letters + digits
_SECRET_LENGTH: Final = 32
_MASKED_LENGTH: Final = 2 * _SECRET_LENGTH
_MOST_ESCAPES: Final = 64
"""In a cookie; no cookie of either app has any."""
_BAD_REFERER: Final = "Referer checking failed - %s does not match any trusted origins."


@dataclass(frozen=True, slots=True)
class CsrfRules:
    """The site's settings that decide; the defaults are stock Django's.

    Attributes:
        use_sessions: CSRF_USE_SESSIONS.
        cookie_name: CSRF_COOKIE_NAME.
        cookie_domain: CSRF_COOKIE_DOMAIN.
        session_cookie_domain: SESSION_COOKIE_DOMAIN.
        header_name: CSRF_HEADER_NAME, as ``request.META`` has it.
        trusted_origins: CSRF_TRUSTED_ORIGINS.
        allowed_hosts: ALLOWED_HOSTS, with what DEBUG adds to an empty one.
        use_x_forwarded_host: USE_X_FORWARDED_HOST.
        use_x_forwarded_port: USE_X_FORWARDED_PORT.
        secure_proxy_ssl_header: SECURE_PROXY_SSL_HEADER.
    """

    use_sessions: bool = False
    cookie_name: str = "csrftoken"
    cookie_domain: str | None = None
    session_cookie_domain: str | None = None
    header_name: str = "HTTP_X_CSRFTOKEN"
    trusted_origins: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    use_x_forwarded_host: bool = False
    use_x_forwarded_port: bool = False
    secure_proxy_ssl_header: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class CsrfRequest:
    """A request, as far as it matters.

    Attributes:
        method: in capitals.
        scheme: by which it reached us: ``http`` or ``https``.
        meta: its headers by their names in ``request.META``, see ``header_meta``.
        server: the host and port that it reached.
        form_token: the form's ``FORM_FIELD``; empty without one.
        session_secret: what the session holds where the site has CSRF_USE_SESSIONS.
    """

    method: str
    scheme: str
    meta: Mapping[str, str] = field(repr=False)
    server: tuple[str, str] = ("unknown", "0")
    form_token: str = field(default="", repr=False)
    session_secret: str | None = field(default=None, repr=False)


class _Rejected(Exception):
    """Carries Django's reason out of the checks; never leaves this module."""


def header_meta(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Give headers their names in ``request.META``, as ``django.core.handlers.asgi.ASGIRequest`` does."""
    found: dict[str, list[str]] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        if "_" in name:  # would pass for the one with a hyphen
            continue
        meta_name = "HTTP_" + name.upper().replace("-", "_")
        found.setdefault(meta_name, []).append(value.rstrip("; ") if meta_name == "HTTP_COOKIE" else value)
    return {name: ("; " if name == "HTTP_COOKIE" else ",").join(values) for name, values in found.items()}


def request_cookies(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Read a request's cookies as ``request.COOKIES`` does."""
    return _cookies(header_meta(headers))


def csrf_rejection(request: CsrfRequest, *, rules: CsrfRules) -> str | None:
    """Give the reason for which Django would refuse a request; None where it lets it pass."""
    if request.method in SAFE_METHODS:
        return None
    try:
        _check_source(request, rules)
        _check_token(request, rules)
    except _Rejected as exc:
        return str(exc)
    return None


def is_allowed_host(headers: Iterable[tuple[bytes, bytes]], *, rules: CsrfRules) -> bool:
    """Tell whether Django would answer for the host that a request asks for (``HttpRequest.get_host``)."""
    host = _named_host(header_meta(headers), rules)
    return host is None or _is_allowed(host, rules)


def _check_source(request: CsrfRequest, rules: CsrfRules) -> None:
    origin = request.meta.get("HTTP_ORIGIN")
    if origin is not None:
        if not _is_trusted_origin(origin, request, rules):
            raise _Rejected(f"Origin checking failed - {origin} does not match any trusted origins.")
    elif _is_secure(request, rules):
        _check_referer(request, rules)


def _is_trusted_origin(origin: str, request: CsrfRequest, rules: CsrfRules) -> bool:
    host = _host(request, rules)
    scheme = "https" if _is_secure(request, rules) else "http"
    exact = [trusted for trusted in rules.trusted_origins if "*" not in trusted]
    if (host is not None and origin == f"{scheme}://{host}") or origin in exact:
        return True
    parts = _split(origin)
    patterns = [_split(trusted) for trusted in rules.trusted_origins if "*" in trusted]
    return parts is not None and any(
        pattern is not None
        and pattern.scheme == parts.scheme
        and is_same_domain(parts.netloc, pattern.netloc.lstrip("*"))
        for pattern in patterns
    )


def _check_referer(request: CsrfRequest, rules: CsrfRules) -> None:
    given = request.meta.get("HTTP_REFERER")
    if given is None:
        raise _Rejected("Referer checking failed - no Referer.")
    referer = _split(given)
    if referer is None or not referer.scheme or not referer.netloc:
        raise _Rejected("Referer checking failed - Referer is malformed.")
    if referer.scheme != "https":
        raise _Rejected("Referer checking failed - Referer is insecure while host is secure.")
    trusted = [_split(origin) for origin in rules.trusted_origins]
    if any(each is not None and is_same_domain(referer.netloc, each.netloc.lstrip("*")) for each in trusted):
        return
    good = _good_referer(request, rules)
    if good is None or not is_same_domain(referer.netloc, good):
        raise _Rejected(_BAD_REFERER % referer.geturl())


def _good_referer(request: CsrfRequest, rules: CsrfRules) -> str | None:
    """Give the domain that pages of the site come from: the cookie's, or else this host."""
    domain = rules.session_cookie_domain if rules.use_sessions else rules.cookie_domain
    if domain is None:
        return _host(request, rules)
    port = _port(request, rules)
    return domain if port in ("443", "80") else f"{domain}:{port}"


def _check_token(request: CsrfRequest, rules: CsrfRules) -> None:
    secret = _secret(request, rules)
    if secret is None:
        raise _Rejected("CSRF cookie not set.")
    token, source = _token(request, rules)
    wrong = _format_error(token)
    if wrong is None and not _is_same(_unmasked(token), secret):
        wrong = "incorrect"
    if wrong is not None:
        raise _Rejected(f"CSRF token from {source} {wrong}.")


def _secret(request: CsrfRequest, rules: CsrfRules) -> str | None:
    if rules.use_sessions:
        secret = request.session_secret
        # Django takes its own session's word for it; a broken one matches no token here.
        return None if secret is None else _unmasked(secret)
    secret = _cookies(request.meta).get(rules.cookie_name)
    if secret is None:
        return None
    wrong = _format_error(secret)
    if wrong is not None:
        raise _Rejected(f"CSRF cookie {wrong}.")
    return _unmasked(secret)


def _cookies(meta: Mapping[str, str]) -> dict[str, str]:
    header = meta.get("HTTP_COOKIE", "")
    if "\\" in header:
        # Pythons before 3.11.10 and 3.12.6 take the square of a value's length to unquote it (CVE-2024-7592).
        header = ";".join(pair for pair in header.split(";") if pair.count("\\") <= _MOST_ESCAPES)
    found: dict[str, str] = parse_cookie(header)
    return found


def _token(request: CsrfRequest, rules: CsrfRules) -> tuple[str, str]:
    """Give the token and where Django says that it comes from: the form first, then the header."""
    if request.method == "POST" and request.form_token:
        return request.form_token, "POST"
    token = request.meta.get(rules.header_name)
    if token is None:
        raise _Rejected("CSRF token missing.")
    shown = rules.header_name.removeprefix("HTTP_").replace("_", "-").title()
    return token, f"the {shown!r} HTTP header"


def _format_error(token: str) -> str | None:
    if len(token) not in (_SECRET_LENGTH, _MASKED_LENGTH):
        return "has incorrect length"
    return None if set(token) <= set(_ALPHABET) else "has invalid characters"


def _unmasked(token: str) -> str:
    """Take the mask off a token that has one; before Django 4.0 also cookies and sessions had."""
    if len(token) != _MASKED_LENGTH or not set(token) <= set(_ALPHABET):
        return token
    pairs = zip(token[_SECRET_LENGTH:], token[:_SECRET_LENGTH], strict=True)
    return "".join(_ALPHABET[_ALPHABET.index(cipher) - _ALPHABET.index(mask)] for cipher, mask in pairs)


def _is_same(token: str, secret: str) -> bool:
    return hmac.compare_digest(token.encode(), secret.encode("utf-8", "surrogatepass"))


def _is_secure(request: CsrfRequest, rules: CsrfRules) -> bool:
    if rules.secure_proxy_ssl_header is not None:
        header, secure_value = rules.secure_proxy_ssl_header
        given = request.meta.get(header)
        if given is not None:
            return given.partition(",")[0].strip() == secure_value
    return request.scheme == "https"


def _host(request: CsrfRequest, rules: CsrfRules) -> str | None:
    """Give the host and port that the client asked for; None where ALLOWED_HOSTS knows it not (``get_host``)."""
    host = _named_host(request.meta, rules)
    if host is None:
        name, port = request.server[0], _port(request, rules)
        host = name if port == ("443" if _is_secure(request, rules) else "80") else f"{name}:{port}"
    return host if _is_allowed(host, rules) else None


def _named_host(meta: Mapping[str, str], rules: CsrfRules) -> str | None:
    forwarded = meta.get("HTTP_X_FORWARDED_HOST") if rules.use_x_forwarded_host else None
    return meta.get("HTTP_HOST") if forwarded is None else forwarded


def _is_allowed(host: str, rules: CsrfRules) -> bool:
    domain, _ = split_domain_port(host)
    return bool(domain) and validate_host(domain, rules.allowed_hosts)


def _port(request: CsrfRequest, rules: CsrfRules) -> str:
    forwarded = request.meta.get("HTTP_X_FORWARDED_PORT") if rules.use_x_forwarded_port else None
    return request.server[1] if forwarded is None else forwarded


def _split(url: str) -> SplitResult | None:
    try:
        return urlsplit(url)
    except ValueError:
        return None
