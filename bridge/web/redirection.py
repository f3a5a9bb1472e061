"""Where Django would send a browser to log in."""

from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

from django.http.request import split_domain_port, validate_host
from django.utils.encoding import escape_uri_path, iri_to_uri
from django.utils.http import escape_leading_slashes
from fastapi import Request

from bridge.profile import CsrfProfile

__all__ = ["login_location"]

_FIELD = "next"  # django.contrib.auth.REDIRECT_FIELD_NAME


def login_location(request: Request, *, login_url: str, csrf: CsrfProfile) -> str:
    """Give LOGIN_URL with the way back in ``next`` (``django.contrib.auth.decorators.user_passes_test``).

    The way back is a path; an address where LOGIN_URL is on another host, and then only with a Host that ALLOWED_HOSTS
    knows: anybody can send any.
    """
    back = _full_path(request)
    login = urlsplit(login_url)
    here = request.scope["scheme"], request.headers.get("host", "")
    is_elsewhere = (login.scheme or here[0], login.netloc or here[1]) != here
    if is_elsewhere and _is_known(here[1], csrf):
        back = f"{here[0]}://{here[1]}{back}"
    return iri_to_uri(urlunsplit(login._replace(query=_with(login.query, back))))


def _full_path(request: Request) -> str:
    """Give path and query (``HttpRequest.get_full_path``); no path that browsers take for another host."""
    query = request.scope.get("query_string", b"").decode("utf-8", "replace")
    path = escape_uri_path(request.scope["path"])
    return escape_leading_slashes(f"{path}?{iri_to_uri(query)}" if query else path)


def _is_known(host: str, csrf: CsrfProfile) -> bool:
    domain, _ = split_domain_port(host)
    return bool(domain) and validate_host(domain, csrf.allowed_hosts)


def _with(query: str, back: str) -> str:
    """Put the way back into a query as ``redirect_to_login`` does: values of one name side by side."""
    values: dict[str, list[str]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True, errors="replace"):
        values.setdefault(name, []).append(value)
    values[_FIELD] = [back]
    return "&".join(f"{quote(name, '/')}={quote(value, '/')}" for name, each in values.items() for value in each)
