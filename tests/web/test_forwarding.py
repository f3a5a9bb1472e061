"""Which headers go on to Django and come back: no server, no database."""

from typing import Any

import pytest

from bridge.web.proxy.forwarding import Forwarding, answer_headers

Headers = list[tuple[bytes, bytes]]


def forwarded(
    *headers: tuple[bytes, bytes],
    peer: str | None = "198.51.100.7",
    trusted: tuple[str, ...] = (),
    scheme: str = "http",
    scheme_header: tuple[str, str] | None = ("HTTP_X_FORWARDED_PROTO", "https"),
) -> dict[bytes, bytes]:
    scope: dict[str, Any] = {"headers": list(headers), "scheme": scheme, "client": (peer, 1) if peer else None}
    made = Forwarding(trusted_proxies=trusted, scheme_header=scheme_header).request_headers(scope)
    assert len(dict(made)) == len(made), "said twice"
    return dict(made)


FAMILY = [
    b"x-forwarded-for",
    b"x-forwarded-proto",
    b"x-forwarded-host",
    b"x-forwarded-port",
    b"x-forwarded-ssl",
    b"x-forwarded-protocol",
    b"x-forwarded-prefix",
    b"x-real-ip",
    b"forwarded",
]


@pytest.mark.parametrize("name", FAMILY, ids=bytes.decode)
@pytest.mark.parametrize(
    "spelt", [lambda name: name, lambda name: name.replace(b"-", b"_")], ids=["dashes", "underscores"]
)
def test_a_strangers_word_on_itself_does_not_go_on(name: bytes, spelt: Any):
    assert b"made up" not in forwarded((spelt(name), b"made up")).values()


def test_the_true_client_is_told_of():
    assert forwarded((b"host", b"shop.example:8443"), scheme="https") == {
        b"host": b"shop.example:8443",
        b"x-forwarded-for": b"198.51.100.7",
        b"x-real-ip": b"198.51.100.7",
        b"x-forwarded-host": b"shop.example:8443",
        b"x-forwarded-port": b"8443",
        b"x-forwarded-proto": b"https",
    }


@pytest.mark.parametrize(
    ("host", "scheme", "port"),
    [
        (b"shop.example", "https", b"443"),
        (b"shop.example", "http", b"80"),
        (b"shop.example", "wss", b"443"),
        (b"[2001:db8::1]", "http", b"80"),
        (b"[2001:db8::1]:81", "http", b"81"),
    ],
)
def test_the_port_is_the_one_that_the_client_asked_for(host: bytes, scheme: str, port: bytes):
    assert forwarded((b"host", host), scheme=scheme)[b"x-forwarded-port"] == port


def test_a_client_without_an_address_has_none_made_up():
    assert b"x-forwarded-for" not in forwarded((b"x-forwarded-for", b"6.6.6.6"), peer=None, trusted=("0.0.0.0/0",))


TOLD = ((b"x-forwarded-for", b"203.0.113.9"), (b"x-forwarded-proto", b"https"), (b"x-forwarded-host", b"shop.example"))


def test_a_trusted_proxys_word_goes_on_with_the_proxy_added():
    assert forwarded(*TOLD, trusted=("198.51.100.0/24",)) == {
        b"x-forwarded-for": b"203.0.113.9, 198.51.100.7",
        b"x-forwarded-proto": b"https",
        b"x-forwarded-host": b"shop.example",
    }


@pytest.mark.parametrize(("peer", "node"), [("198.51.100.7", b"198.51.100.7"), ("2001:db8::7", b'"[2001:db8::7]"')])
def test_a_trusted_proxys_elements_go_on_with_the_proxy_added(peer: str, node: bytes):
    found = forwarded((b"forwarded", b"for=203.0.113.9"), peer=peer, trusted=(peer,))

    assert found[b"forwarded"] == b"for=203.0.113.9, for=" + node


def test_what_a_client_names_in_connection_takes_no_trusted_word_away():
    found = forwarded((b"connection", b"X-Forwarded-For"), *TOLD, trusted=("198.51.100.7",))

    assert found[b"x-forwarded-for"] == b"203.0.113.9, 198.51.100.7"


SSL = ("HTTP_X_SECURE", "on")


@pytest.mark.parametrize(("scheme", "said"), [("https", b"on"), ("wss", b"on"), ("http", None)])
def test_the_sites_own_header_for_the_scheme_is_the_bridges_to_say(scheme: str, said: bytes | None):
    assert forwarded((b"x-secure", b"on"), scheme=scheme, scheme_header=SSL).get(b"x-secure") == said


def test_the_sites_own_header_is_also_a_trusted_proxys_to_say():
    assert forwarded((b"x-secure", b"on"), scheme_header=SSL, trusted=("198.51.100.7",))[b"x-secure"] == b"on"


@pytest.mark.parametrize("name", [b"script_name", b"path_info", b"remote_user", b"content_length"], ids=bytes.decode)
@pytest.mark.parametrize("trusted", [(), ("198.51.100.7",)], ids=["stranger", "trusted"])
def test_no_name_goes_on_that_wsgi_takes_for_another(name: bytes, trusted: tuple[str, ...]):
    """By default, gunicorn takes SCRIPT_NAME and PATH_INFO from any proxy on its own machine."""
    assert name not in forwarded((name, b"1"), trusted=trusted)


@pytest.mark.parametrize(
    "name", [b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"]
)
def test_headers_of_a_connection_stay_there(name: bytes):
    assert name not in forwarded((name, b"x"))
    assert answer_headers([(name, b"x")], status=200) == []


def test_headers_that_connection_names_stay_there():
    named = (b"connection", b"close, X-Mine ,Host,Content-Length")

    found = forwarded(named, (b"x-mine", b"1"), (b"host", b"a"), (b"content-length", b"2"))

    assert b"x-mine" not in found
    assert (found[b"host"], found[b"content-length"]) == (b"a", b"2")


def test_an_answers_headers_keep_their_order_and_bytes():
    raw = [(b"Set-Cookie", b"a=1"), (b"X-B", b"\xe9"), (b"Date", b"now"), (b"Set-Cookie", b"c=2"), (b"Server", b"g")]

    assert answer_headers(raw, status=200) == [
        (b"set-cookie", b"a=1"),
        (b"x-b", b"\xe9"),
        (b"set-cookie", b"c=2"),
        (b"server", b"g"),
    ]


@pytest.mark.parametrize(
    ("status", "length", "kept"),
    [(200, b"5", [b"5"]), (204, b"0", []), (204, b"5", []), (304, b"5", []), (304, b"0", [b"0"])],
)
def test_a_length_goes_back_where_a_body_may_follow_it(status: int, length: bytes, kept: list[bytes]):
    assert [value for _, value in answer_headers([(b"Content-Length", length)], status=status)] == kept


@pytest.mark.parametrize(
    ("headers", "peer", "scheme", "is_secure"),
    [
        pytest.param((), "10.0.0.1", "https", True, id="tls-to-here"),
        pytest.param((), "10.0.0.1", "http", False, id="no-tls"),
        pytest.param(((b"x-forwarded-proto", b"https"),), "10.0.0.1", "http", True, id="tls-to-a-proxy"),
        pytest.param(((b"x-ssl", b"on"),), "10.0.0.1", "http", True, id="said-as-the-site-has-it-said"),
        pytest.param(((b"x-ssl", b"off"),), "10.0.0.1", "http", False, id="or-not"),
        pytest.param(
            ((b"x-forwarded-proto", b"https"), (b"x-ssl", b"on")), "198.51.100.7", "http", False, id="stranger"
        ),
        pytest.param(((b"x-forwarded-proto", b"https"),), None, "http", False, id="socket-file"),
    ],
)
def test_whether_a_client_came_by_tls_is_a_trusted_proxys_to_say(
    headers: tuple[tuple[bytes, bytes], ...], peer: str | None, scheme: str, *, is_secure: bool
):
    scope: dict[str, Any] = {"headers": list(headers), "scheme": scheme, "client": (peer, 1) if peer else None}
    forwarding = Forwarding(trusted_proxies=("10.0.0.0/8",), scheme_header=("HTTP_X_SSL", "on"))

    assert forwarding.is_secure(scope) is is_secure
