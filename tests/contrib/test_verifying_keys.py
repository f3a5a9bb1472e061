"""Where the site's side takes the keys from that verify the bridge's tokens, and what it does when they change."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.contrib.auth.models import User
from django.core import checks
from django.test import Client
from pytest_django import Settings

from bridge.contrib.django.conf import token_verifier
from bridge.contrib.django.describing import describe_site
from bridge.contrib.django.jwks import FetchedKeys, fetch, fetched_keys
from bridge.errors import ConfigurationError, InvalidToken
from bridge.profile import BearerProfile
from bridge.tokens import KeySet, SigningKey, TokenIssuer
from bridge.tokens.keyset import DatedKey
from tests.conftest import DJANGO_SECRET_KEY, SIGNING_KEY
from tests.contrib.conftest import LIFETIME, bearer, issued

NOW: Final = datetime.now(UTC)
OLD, NEW, FOREIGN = (SigningKey.generate("ES256") for _ in range(3))


def public(key: SigningKey) -> str:
    text: bytes = key.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return text.decode()


def signed(user: User, key: SigningKey) -> str:
    issuer = TokenIssuer(keys=KeySet.of_one(key), issuer="bridge", audience="django", lifetime=LIFETIME)
    return issuer.issue(user_id=str(user.pk), now=datetime.now(UTC))[0]


def jwks(*keys: SigningKey) -> bytes:
    return json.dumps(KeySet(tuple(DatedKey(key) for key in keys)).published(now=NOW)).encode()


def opens(token: str) -> bool:
    answer = Client().get("/whoami/", headers={"Authorization": bearer(token)})
    assert answer.status_code in (200, 302)
    return answer.status_code == 200


# Which source ---------------------------------------------------------------------------------------------------------

PRIVATE: Final = SigningKey.generate("ES256")
SOURCES: Final[dict[str, tuple[dict[str, Any], dict[str, Any]]]] = {
    "its_public_key": ({"SIGNING_ALGORITHM": "ES256", "VERIFYING_KEY": public(NEW)}, {}),
    "a_list_of_them": ({"SIGNING_ALGORITHM": "ES256", "VERIFYING_KEY": [public(OLD), public(NEW)]}, {}),
    "simple_jwts_public_key": ({}, {"ALGORITHM": "ES256", "VERIFYING_KEY": public(NEW)}),
    "its_private_key": ({"SIGNING_ALGORITHM": "ES256", "SIGNING_KEY": NEW.to_pem()}, {}),
    "its_own_rather_than_simple_jwts": (
        {"VERIFYING_KEY": public(NEW)},
        {"ALGORITHM": "ES256", "VERIFYING_KEY": public(FOREIGN), "SIGNING_KEY": FOREIGN.to_pem()},
    ),
    "the_public_key_rather_than_the_private": (
        {},
        {"ALGORITHM": "ES256", "VERIFYING_KEY": public(NEW), "SIGNING_KEY": FOREIGN.to_pem()},
    ),
}


@pytest.mark.parametrize(("own", "simple_jwt"), SOURCES.values(), ids=SOURCES.keys())
def test_the_bridges_token_opens_a_page_by(settings: Settings, ada: User, own: dict[str, Any], simple_jwt: Any):
    settings.BRIDGE = own
    settings.SIMPLE_JWT = {"SIGNING_KEY": settings.SIMPLE_JWT["SIGNING_KEY"], **simple_jwt}

    assert opens(signed(ada, NEW))
    assert not opens(signed(ada, FOREIGN))
    assert not opens(issued(ada.pk))  # of the shared secret


def test_of_a_list_each_key_opens_the_page(settings: Settings, ada: User):
    settings.BRIDGE = {"SIGNING_ALGORITHM": "ES256", "VERIFYING_KEY": [public(OLD), public(NEW)]}

    assert opens(signed(ada, OLD))
    assert opens(signed(ada, NEW))


def test_a_public_key_is_no_secret_to_the_site(settings: Settings, ada: User):
    settings.BRIDGE = {"SIGNING_ALGORITHM": "ES256", "VERIFYING_KEY": public(NEW)}
    claims = jwt.decode(signed(ada, NEW), options={"verify_signature": False})
    key = jwt.api_jws.PyJWS().get_algorithm_by_name("HS256")
    header = {"alg": "HS256", "kid": NEW.kid}
    parts = [jwt.utils.base64url_encode(json.dumps(each).encode()).decode() for each in (header, claims)]
    signature = key.sign(".".join(parts).encode(), public(NEW).encode())

    assert not opens(".".join([*parts, jwt.utils.base64url_encode(signature).decode()]))


@pytest.mark.parametrize(
    ("own", "named"),
    [
        pytest.param({"VERIFYING_KEY": public(NEW)}, "a shared secret", id="no_algorithm"),
        pytest.param({"JWK_URL": "https://bridge.example/jwks"}, "a shared secret", id="no_algorithm_for_the_url"),
        pytest.param({"SIGNING_ALGORITHM": "RS256", "VERIFYING_KEY": public(NEW)}, "does not fit", id="another"),
        pytest.param({"SIGNING_ALGORITHM": "ES256", "VERIFYING_KEY": "PEM"}, "not a public key", id="no_pem"),
        pytest.param({"SIGNING_ALGORITHM": "ES256", "VERIFYING_KEY": NEW.to_pem()}, "not a public", id="private"),
        pytest.param({"SIGNING_ALGORITHM": "ES256", "VERIFYING_KEY": [public(NEW)] * 9}, "more than 8", id="nine"),
        pytest.param({"SIGNING_ALGORITHM": "ES256", "JWK_URL": "file:///etc/passwd"}, "no URL", id="a_file"),
        pytest.param({"SIGNING_ALGORITHM": "ES512", "VERIFYING_KEY": public(NEW)}, "shared secret", id="unknown"),
        pytest.param({"SIGNING_ALGORITHM": "ES256", "SIGNING_KEY": ""}, "", id="simple_jwts_secret_instead"),
    ],
)
def test_a_source_that_verifies_nothing_is_an_error_of_the_check(settings: Settings, own: dict[str, Any], named: str):
    settings.BRIDGE = own

    (found,) = [each for each in checks.run_checks() if each.level >= checks.ERROR]

    assert found.id == "bridge.E001"
    assert named in found.msg
    assert found.hint


def test_without_any_source_the_cure_is_said(settings: Settings):
    settings.SIMPLE_JWT = {"ALGORITHM": "ES256"}

    with pytest.raises(ConfigurationError, match="Nothing verifies") as refused:
        token_verifier()
    assert "JWK_URL" in refused.value.cure


@pytest.mark.parametrize("key", [None, "", "no PEM"])
def test_a_simple_jwt_without_a_readable_key_does_not_tell_that_it_fetches_them(settings: Settings, key: Any):
    settings.SIMPLE_JWT = {"ALGORITHM": "ES256", "VERIFYING_KEY": key, "SIGNING_KEY": NEW.to_pem()}

    told = describe_site().simple_jwt

    assert told is not None
    assert told.key_fingerprint == ""


def fingerprint_of(secret: str) -> str:
    return SigningKey.load(secret, algorithm="HS256").fingerprint


BY_DEFAULT: Final = {"issuer": "bridge", "audience": "django"}
VERIFIED_BY: Final[dict[str, tuple[dict[str, Any], BearerProfile]]] = {
    "simple_jwts_key": (
        {"SIMPLE_JWT": {"SIGNING_KEY": SIGNING_KEY}},
        BearerProfile("HS256", (fingerprint_of(SIGNING_KEY),), **BY_DEFAULT),
    ),
    "the_secret_key": ({}, BearerProfile("HS256", (fingerprint_of(DJANGO_SECRET_KEY),), **BY_DEFAULT)),
    "public_keys": (
        {"BRIDGE": {"SIGNING_ALGORITHM": "ES256", "VERIFYING_KEY": [public(OLD), public(NEW)]}},
        BearerProfile("ES256", tuple(sorted([OLD.fingerprint, NEW.fingerprint])), **BY_DEFAULT),
    ),
    "keys_that_it_fetches": (
        {"BRIDGE": {"SIGNING_ALGORITHM": "ES256", "JWK_URL": "https://id.example/jwks.json"}},
        BearerProfile("ES256", None, **BY_DEFAULT),
    ),
    "names": (
        {"BRIDGE": {"SIGNING_KEY": SIGNING_KEY, "ISSUER": "shop", "AUDIENCE": "api"}},
        BearerProfile("HS256", (fingerprint_of(SIGNING_KEY),), issuer="shop", audience="api"),
    ),
}


@pytest.mark.parametrize(("said", "told"), VERIFIED_BY.values(), ids=VERIFIED_BY.keys())
def test_what_the_app_verifies_the_bridges_tokens_by_is_told(
    settings: Settings, said: dict[str, Any], told: BearerProfile
):
    settings.SIMPLE_JWT = settings.BRIDGE = {}
    for name, value in said.items():
        setattr(settings, name, value)

    assert describe_site().bearer == told


def test_an_app_that_can_verify_nothing_has_nothing_to_tell_of_it(settings: Settings):
    settings.BRIDGE = {"SIGNING_ALGORITHM": "ES256"}

    assert describe_site().bearer == BearerProfile("", (), **BY_DEFAULT)


# Keys that are fetched ------------------------------------------------------------------------------------------------


class Bridge:
    """A JWK set somewhere, its answers and how often it was asked; with a clock in hand."""

    def __init__(self) -> None:
        self.answer: bytes | Exception = jwks(OLD)
        self.asked = 0
        self.seconds = 1000.0
        self.keys = FetchedKeys("http://bridge", algorithm="ES256", get=self.get, monotonic=lambda: self.seconds)

    def get(self, url: str) -> bytes:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def knows(self, key: SigningKey) -> bool:
        return self.keys.verifying(key.kid, now=NOW) == [key.public]


@pytest.fixture
def remote() -> Bridge:
    return Bridge()


def test_nobody_is_asked_before_the_first_token(remote: Bridge):
    assert remote.asked == 0
    assert remote.knows(OLD)
    assert remote.asked == 1


def test_a_known_key_is_asked_for_every_five_minutes(remote: Bridge):
    for _ in range(100):
        assert remote.knows(OLD)
        remote.seconds += 6

    assert remote.asked == 2


def test_an_unknown_key_is_asked_for_at_once_and_then_every_ten_seconds(remote: Bridge):
    assert remote.knows(OLD)
    remote.seconds += 11
    remote.answer = jwks(OLD, NEW)
    assert remote.knows(NEW)
    assert remote.asked == 2

    for _ in range(1000):
        assert not remote.knows(FOREIGN)
    assert remote.asked == 2
    remote.seconds += 10
    assert not remote.knows(FOREIGN)
    assert remote.asked == 3


def test_a_token_without_a_kid_is_tried_against_every_key(remote: Bridge):
    remote.answer = jwks(OLD, NEW)

    found = remote.keys.verifying(None, now=NOW)

    assert len(found) == 2
    assert OLD.public in found
    assert NEW.public in found


def test_a_key_that_is_gone_there_is_gone_here_within_five_minutes(remote: Bridge):
    remote.answer = jwks(OLD, NEW)
    assert remote.knows(OLD)
    remote.answer = jwks(NEW)
    remote.seconds += 300

    assert not remote.knows(OLD)
    assert remote.knows(NEW)


FAILURES: Final = {
    "away": OSError("away"),
    "no_json": b"<html>",
    "no_key_set": b"{}",
    "binary": b"\xff",
    "nested_deeply": b"[" * 60_000,
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
def test_while_there_is_no_key_set_the_last_one_is_good_for_an_hour(remote: Bridge, failure: bytes | Exception):
    assert remote.knows(OLD)
    remote.answer = failure

    for _ in range(11):
        remote.seconds += 300
        assert remote.knows(OLD)
    remote.seconds += 300
    assert not remote.knows(OLD)  # fail closed

    remote.answer = jwks(OLD)
    remote.seconds += 10
    assert remote.knows(OLD)


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
def test_without_any_key_set_no_token_is_good_and_nobody_is_asked_in_a_hurry(remote: Bridge, failure: Any):
    remote.answer = failure

    for _ in range(100):
        assert not remote.knows(OLD)
    assert remote.asked == 1


def test_tokens_that_come_at_once_wait_for_one_answer():
    entered, go_on, asked = threading.Event(), threading.Event(), []

    def slowly(url: str) -> bytes:
        asked.append(url)
        entered.set()
        assert go_on.wait(20)
        return jwks(OLD)

    keys = FetchedKeys("http://bridge", algorithm="ES256", get=slowly)
    found: list[Any] = []
    threads = [
        threading.Thread(target=lambda: found.append(keys.verifying(OLD.kid, now=NOW)), daemon=True) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    assert entered.wait(20)
    go_on.set()
    for thread in threads:
        thread.join(20)

    assert found == [[OLD.public]] * 8
    assert len(asked) == 1


def test_whoever_has_a_key_does_not_wait_for_a_newer_set():
    seconds, entered, go_on = [0.0], threading.Event(), threading.Event()

    def at_first_at_once(url: str) -> bytes:
        if seconds[0]:
            entered.set()
            assert go_on.wait(20)
        return jwks(OLD)

    keys = FetchedKeys("http://bridge", algorithm="ES256", get=at_first_at_once, monotonic=lambda: seconds[0])
    assert keys.verifying(OLD.kid, now=NOW)
    seconds[0] = 301.0
    fetching = threading.Thread(target=keys.verifying, args=(OLD.kid,), kwargs={"now": NOW}, daemon=True)
    fetching.start()
    assert entered.wait(20)

    assert keys.verifying(OLD.kid, now=NOW)  # while the other thread waits for its answer
    go_on.set()
    fetching.join(20)


# Over HTTP ------------------------------------------------------------------------------------------------------------

Respond = Callable[[BaseHTTPRequestHandler], object]


@contextmanager
def listening(respond: Respond) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            respond(self)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/.well-known/jwks.json"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def giving(status: int, body: bytes, **headers: str) -> Respond:
    def respond(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return respond


@pytest.mark.parametrize("where", ["BRIDGE", "SIMPLE_JWT"])
def test_the_bridges_token_opens_a_page_by_the_key_set_that_it_publishes(settings: Settings, ada: User, where: str):
    with listening(giving(200, jwks(OLD, NEW))) as url:
        settings.BRIDGE = {"SIGNING_ALGORITHM": "ES256"} | ({"JWK_URL": url} if where == "BRIDGE" else {})
        settings.SIMPLE_JWT = {**settings.SIMPLE_JWT} | ({"JWK_URL": url} if where == "SIMPLE_JWT" else {})

        assert opens(signed(ada, OLD))
        assert opens(signed(ada, NEW))
        assert not opens(signed(ada, FOREIGN))


def test_the_check_asks_nobody(settings: Settings):
    """``manage.py check`` runs where the bridge may be away."""
    settings.BRIDGE = {"SIGNING_ALGORITHM": "ES256", "JWK_URL": "http://127.0.0.1:1/jwks.json"}

    assert [each for each in checks.run_checks() if each.level >= checks.ERROR] == []


def test_a_bridge_that_is_away_is_an_anonymous_request_and_no_error(settings: Settings, ada: User):
    settings.BRIDGE = {"SIGNING_ALGORITHM": "ES256", "JWK_URL": "http://127.0.0.1:1/jwks.json"}

    assert not opens(signed(ada, NEW))


def cutting(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "5000")
    handler.end_headers()
    handler.wfile.write(b"{")


@pytest.mark.parametrize(
    "respond",
    [
        pytest.param(giving(302, b"", Location="http://127.0.0.1:1/"), id="redirect"),
        pytest.param(giving(302, b"", Location="file:///etc/passwd"), id="redirect_to_a_file"),
        pytest.param(giving(500, jwks(OLD)), id="error"),
        pytest.param(giving(404, b""), id="missing"),
        pytest.param(giving(200, b" " * 70_000 + jwks(OLD)), id="too_large"),
        pytest.param(cutting, id="cut"),
        pytest.param(lambda handler: handler.wfile.write(b"nonsense\r\n\r\n"), id="no_http"),
    ],
)
def test_what_is_no_answer_gives_no_key(respond: Respond):
    with listening(respond) as url:
        keys = FetchedKeys(url, algorithm="ES256", get=fetch)

        assert keys.verifying(OLD.kid, now=NOW) == ()


def test_everybody_in_a_process_shares_what_was_fetched():
    assert fetched_keys("http://bridge/a", algorithm="ES256") is fetched_keys("http://bridge/a", algorithm="ES256")
    assert fetched_keys("http://bridge/a", algorithm="ES256") is not fetched_keys("http://bridge/a", algorithm="RS256")


def test_a_token_that_has_expired_stays_expired_whatever_the_key(settings: Settings, ada: User):
    settings.BRIDGE = {"SIGNING_ALGORITHM": "ES256", "VERIFYING_KEY": public(NEW)}
    issuer = TokenIssuer(keys=KeySet.of_one(NEW), issuer="bridge", audience="django", lifetime=LIFETIME)
    token, _ = issuer.issue(user_id=str(ada.pk), now=datetime.now(UTC) - LIFETIME - timedelta(seconds=1))

    with pytest.raises(InvalidToken):
        token_verifier().verify(token)
