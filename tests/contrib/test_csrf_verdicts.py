"""The bridge's CSRF verdict against the real middleware of the Django that runs here, on generated requests."""

from dataclasses import dataclass, fields
from io import BytesIO
from typing import Any, Final
from urllib.parse import urlencode

import pytest
from django.conf import settings as django_settings
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from django.test import override_settings
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.contrib.django.describing.sessions import csrf
from bridge.sessions.csrf import FORM_FIELD, CsrfRequest, CsrfRules, csrf_rejection, header_meta

EXAMPLES: Final = 4000
SECRET: Final = "abcdefghijklmnopqrstuvwxyz012345"
MASKED: Final = "A" * 32 + SECRET
"""A masked token, which is not ``SECRET`` once the mask is off."""


def masked(secret: str, mask: str) -> str:
    alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    pairs = zip(secret, mask, strict=True)
    cipher = "".join(alphabet[(alphabet.index(a) + alphabet.index(b)) % len(alphabet)] for a, b in pairs)
    return mask + cipher


HOSTS: Final = (
    "shop.test",
    "shop.test:8443",
    "shop.test:443",
    "SHOP.test",
    "www.shop.test",
    "www.shop.test.",
    "evil.test",
    "notshop.test",
    "localhost",
    "localhost:8000",
    "a.localhost",
    "127.0.0.1:8000",
    "[::1]",
    "[::1]:8000",
    "bad host",
    "",
)
PATTERNS: Final = ("shop.test", ".shop.test", "*", "localhost", "[::1]", ".Shop.Test")
TRUSTED: Final = (
    "https://shop.test",
    "http://shop.test",
    "https://shop.test:8443",
    "https://*.shop.test",
    "http://*.shop.test",
    "https://*.shop.test:8443",
    "https://evil.test",
)
LOCATIONS: Final = (
    *(f"{scheme}://{host}" for scheme in ("http", "https") for host in HOSTS),
    "null",
    "",
    "https://",
    "https://[",
    "//shop.test",
    "shop.test",
    "HTTPS://shop.test",
    "ftp://shop.test",
    "https://user@shop.test",
)
TOKENS: Final = (
    SECRET,
    masked(SECRET, "Z" * 32),
    masked(SECRET, "0a" * 16),
    MASKED,
    SECRET[::-1],
    masked(SECRET[::-1], "Z" * 32),
    SECRET[:-1],
    SECRET + "a",
    SECRET[:-1] + "-",
    SECRET[:-1] + "ü",
    MASKED[:-1] + "!",
    "",
)
SECRETS_OF_SESSIONS: Final = (SECRET, masked(SECRET, "Z" * 32), SECRET[::-1], SECRET[:-1], "")


@dataclass(frozen=True)
class Case:
    """A site and a request to it."""

    rules: CsrfRules
    debug: bool
    method: str
    scheme: str
    server: tuple[str, int] | None
    headers: tuple[tuple[bytes, bytes], ...]
    form: tuple[tuple[str, str], ...]
    session: str | None


def maybe(values: tuple[str, ...]) -> st.SearchStrategy[str | None]:
    return st.none() | st.sampled_from(values)


def likely(good: str, others: tuple[str, ...]) -> st.SearchStrategy[str | None]:
    """Mostly what a site would take, so that every check is come to."""
    return st.sampled_from((good,) * 2 * len(others) + (None, *others))


rules_of_sites = st.builds(
    CsrfRules,
    use_sessions=st.booleans(),
    cookie_name=st.sampled_from(("csrftoken", "xsrf")),
    cookie_domain=maybe(("shop.test", ".shop.test")),
    session_cookie_domain=maybe(("shop.test", ".shop.test")),
    header_name=st.sampled_from(("HTTP_X_CSRFTOKEN", "HTTP_X_XSRF_TOKEN")),
    trusted_origins=st.lists(st.sampled_from(TRUSTED), max_size=3, unique=True).map(tuple),
    allowed_hosts=st.lists(st.sampled_from(PATTERNS), max_size=2, unique=True).map(tuple),
    use_x_forwarded_host=st.booleans(),
    use_x_forwarded_port=st.booleans(),
    secure_proxy_ssl_header=st.sampled_from((None, ("HTTP_X_FORWARDED_PROTO", "https"))),
)
COOKIES: Final = (
    *(f"csrftoken={token}" for token in TOKENS),
    *(f'a=b; xsrf="{token}"; c' for token in TOKENS),
    f"csrftoken={SECRET[::-1]}; csrftoken={SECRET}; xsrf={SECRET}",
)
PROTOCOLS: Final = ("https", "http", "https, http", "http,https", "HTTPS", " https ", "")


# Made once: a strategy that is made while an example is drawn is examined anew for each of thousands.
HEADERS: Final = {
    "host": likely("shop.test", HOSTS),
    "origin": likely("https://shop.test", LOCATIONS) | st.none(),
    "referer": likely("https://shop.test/", tuple(f"{each}/page?a=b#c" for each in LOCATIONS)),
    "cookie": likely(f"csrftoken={SECRET}; xsrf={SECRET}", COOKIES),
    "x-csrftoken": likely(SECRET, TOKENS),
    "x-xsrf-token": likely(SECRET, TOKENS),
    "x_csrftoken": maybe((SECRET,)),
    "x-forwarded-host": maybe(HOSTS),
    "x-forwarded-port": maybe(("443", "80", "8443")),
    "x-forwarded-proto": maybe(PROTOCOLS),
}
METHODS: Final = st.sampled_from(("POST",) * 8 + ("PUT", "PATCH", "DELETE", "GET", "HEAD", "OPTIONS", "TRACE"))
SCHEMES: Final = st.sampled_from(("http", "https"))
SERVERS: Final = st.sampled_from((None, ("shop.test", 443), ("shop.test", 80), ("shop.test", 8443)))
FORM_TOKENS: Final = st.lists(st.sampled_from(TOKENS), max_size=2)
SESSIONS: Final = likely(SECRET, SECRETS_OF_SESSIONS)
SWITCHES: Final = st.booleans()


@st.composite
def cases(draw: st.DrawFn) -> Case:
    given_headers = {name: draw(values) for name, values in HEADERS.items()}
    return Case(
        rules=draw(rules_of_sites),
        debug=draw(SWITCHES),
        method=draw(METHODS),
        scheme=draw(SCHEMES),
        server=draw(SERVERS),
        headers=tuple((k.encode(), v.encode("latin-1")) for k, v in given_headers.items() if v is not None),
        form=tuple((FORM_FIELD, token) for token in draw(FORM_TOKENS)),
        session=draw(SESSIONS),
    )


class ReasonGiver(CsrfViewMiddleware):
    """Django's own, but for giving the reason instead of a page."""

    def _reject(self, request: HttpRequest, reason: str) -> Any:
        return reason


def view(_: HttpRequest) -> HttpResponse:
    raise AssertionError("never called")


def settings_of(case: Case) -> Any:
    """The site's settings that the rules stand for."""
    own = ("use_sessions", "cookie_name", "cookie_domain", "header_name", "trusted_origins")
    names = {
        each.name: f"CSRF_{each.name.upper()}" if each.name in own else each.name.upper() for each in fields(CsrfRules)
    }
    wanted = {"DEBUG": case.debug, **{name: getattr(case.rules, rule) for rule, name in names.items()}}
    # Of each that is set, all of Django is told, twice.
    return override_settings(
        **{name: value for name, value in wanted.items() if getattr(django_settings, name) != value}
    )


def django_says(case: Case) -> str | None:
    """The verdict under the settings that are in force."""
    body = urlencode(case.form).encode()
    scope = {
        "type": "http",
        "method": case.method,
        "scheme": case.scheme,
        "server": case.server,
        "path": "/",
        "query_string": b"",
        "headers": [
            *case.headers,
            (b"content-type", b"application/x-www-form-urlencoded"),
            (b"content-length", str(len(body)).encode()),
        ],
    }
    request: Any = ASGIRequest(scope, BytesIO(body))
    request.session = {} if case.session is None else {"_csrftoken": case.session}
    middleware = ReasonGiver(lambda _: HttpResponse())
    middleware.process_request(request)
    verdict: Any = middleware.process_view(request, view, (), {})
    return verdict if verdict is None else str(verdict)


def bridge_says(case: Case, published: Any) -> str | None:
    server = ("unknown", "0") if case.server is None else (case.server[0], str(case.server[1]))
    request = CsrfRequest(
        method=case.method,
        scheme=case.scheme,
        meta=header_meta(case.headers),
        server=server,
        form_token=case.form[-1][1] if case.form else "",
        session_secret=case.session,
    )
    rules = CsrfRules(**{each.name: getattr(published, each.name) for each in fields(CsrfRules)})
    return csrf_rejection(request, rules=rules)


def both_say(case: Case) -> tuple[str | None, str | None]:
    """The bridge's verdict and Django's; the bridge comes to its own without the site's settings."""
    # In force once for both: to change them takes longer than either verdict.
    with settings_of(case):
        published, legacy = csrf(), django_says(case)
    return bridge_says(case, published), legacy


@given(cases())
@settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None)
def test_the_verdict_and_its_words_are_djangos(case: Case):
    bridge, django = both_say(case)

    assert bridge == django


def well_formed(**changes: Any) -> Case:
    """A request that stock Django takes, but for ``changes``."""
    headers: dict[str, str | None] = {
        "host": "shop.test",
        "origin": "https://shop.test",
        "cookie": f"csrftoken={SECRET}",
    }
    headers |= {"x-csrftoken": SECRET} | changes.pop("headers", {})
    parts: dict[str, Any] = {
        "rules": CsrfRules(allowed_hosts=("shop.test",)),
        "debug": False,
        "method": "PATCH",
        "scheme": "https",
        "server": ("127.0.0.1", 8001),
        "headers": tuple((name.encode(), value.encode()) for name, value in headers.items() if value is not None),
        "form": (),
        "session": None,
    }
    return Case(**parts | changes)


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        (well_formed(), None),
        (well_formed(headers={"x-csrftoken": masked(SECRET, "Z" * 32)}), None),
        (well_formed(headers={"cookie": f"csrftoken={masked(SECRET, 'Z' * 32)}"}), None),
        (well_formed(headers={"x-csrftoken": None}, method="POST", form=((FORM_FIELD, SECRET),)), None),
        (well_formed(headers={"origin": None, "referer": "https://shop.test/page"}), None),
        (well_formed(headers={"x-csrftoken": None}), "CSRF token missing."),
        (well_formed(headers={"cookie": "a=b"}), "CSRF cookie not set."),
        (
            well_formed(headers={"origin": "https://evil.test"}),
            "Origin checking failed - https://evil.test does not match any trusted origins.",
        ),
        (well_formed(headers={"origin": None}), "Referer checking failed - no Referer."),
        (
            well_formed(headers={"x-csrftoken": SECRET[::-1]}),
            "CSRF token from the 'X-Csrftoken' HTTP header incorrect.",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_both_say_what_is_expected(case: Case, reason: str | None):
    assert both_say(case) == (reason, reason)
