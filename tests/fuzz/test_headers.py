"""No header by which a client names itself or the host breaks anything, or is believed."""

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.web.proxy.forwarding import Forwarding
from tests.web.conftest import before_any_database

MARK = b"made-up"
NAMES = st.sampled_from([b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"forwarded", b"x-real-ip"])
VALUES = st.binary(max_size=60).filter(lambda each: not set(each) & {0, 10, 13}) | st.sampled_from(
    [b"[", b"[::1", b"a]b", b"//", b"shop.example:99999999", b'for="[::1]:x"', b"1.2.3.4, " * 40]
)
FEW = settings(
    max_examples=60, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@given(headers=st.lists(st.tuples(NAMES, VALUES), max_size=6))
@settings(max_examples=100, deadline=None, database=None)
def test_no_word_of_a_stranger_on_itself_goes_on(headers: list[tuple[bytes, bytes]]):
    said = [(name, MARK + value) for name, value in headers]
    scope = {"headers": [(b"host", b"shop.example"), *said], "scheme": "http", "client": ("198.51.100.7", 1)}

    made = Forwarding(trusted_proxies=(), scheme_header=None).request_headers(scope)

    assert not [value for _, value in made if MARK in value]


@before_any_database
@given(host=VALUES, headers=st.lists(st.tuples(NAMES, VALUES), max_size=3))
@FEW
async def test_no_host_and_no_forwarding_gets_a_500(
    client: httpx.AsyncClient, host: bytes, headers: list[tuple[bytes, bytes]]
):
    for path in ("/.well-known/oauth-authorization-server", "/users/me/"):
        answer = await client.get(path, headers=[(b"host", host), *headers])

        assert answer.status_code in {200, 400, 401}, answer.text
