"""The bridge's access tokens open the bridge, and a Django site with stock SimpleJWT."""

from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from django.conf import settings
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory
from rest_framework_simplejwt.authentication import JWTAuthentication, JWTStatelessUserAuthentication
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.tokens import AccessToken

from bridge.tokens import AccessClaims, SigningKey
from tests.unit.tokens.forging import AUDIENCE, ISSUER, KEY, SECRET, issuer, verifier

SITE_KEY = SigningKey.load(str(settings.SIMPLE_JWT["SIGNING_KEY"]), algorithm="HS256")


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)


def decoded(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, SECRET, ["HS256"], audience=AUDIENCE, issuer=ISSUER)
    return claims


# Its form -------------------------------------------------------------------------------------------------------------


def test_a_token_has_the_claims_of_rfc_9068_of_simplejwt_and_of_allauth(now: datetime):
    token, claims = issuer().issue(user_id="7", now=now, scope=("read", "write"), session_id="grant")

    issued_at = int(now.timestamp())
    assert decoded(token) == {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "7",
        "client_id": "first-party",
        "iat": issued_at,
        "exp": issued_at + 900,
        "jti": claims.token_id,
        "scope": "read write",
        "sid": "grant",
        "token_type": "access",
        "token_use": "access",
        "user_id": "7",
    }


def test_a_token_is_of_the_type_of_rfc_9068(now: datetime):
    token, _ = issuer().issue(user_id="7", now=now)

    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "at+jwt"}


def test_a_token_without_a_session_names_none(now: datetime):
    token, _ = issuer().issue(user_id="7", now=now)

    assert "sid" not in decoded(token)


def test_a_token_is_never_issued_in_the_future():
    almost_the_next_second = datetime.now(UTC).replace(microsecond=999_999) - timedelta(seconds=1)

    token, claims = issuer().issue(user_id="7", now=almost_the_next_second)

    assert decoded(token)["iat"] == int(almost_the_next_second.timestamp())
    assert claims.issued_at == almost_the_next_second.replace(microsecond=0)


def test_a_token_lives_as_long_as_it_was_told(now: datetime):
    _, claims = issuer(lifetime=timedelta(hours=2)).issue(user_id="7", now=now)

    assert claims.issued_at is not None
    assert claims.expires_at - claims.issued_at == timedelta(hours=2)


def test_each_token_has_an_id_of_its_own(now: datetime):
    ids = {issuer().issue(user_id="7", now=now)[1].token_id for _ in range(50)}

    assert len(ids) == 50


# At the bridge --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("session_id", [None, "grant"])
@pytest.mark.parametrize("scope", [(), ("read",), ("read", "write")])
@pytest.mark.parametrize("user_id", ["7", "3f0e2a54-8d59-4c0d-9f3a-0d3b3c1f6a11", "ü"])
def test_the_bridge_reads_back_what_it_issued(
    now: datetime, user_id: str, scope: tuple[str, ...], session_id: str | None
):
    token, claims = issuer().issue(user_id=user_id, now=now, scope=scope, session_id=session_id)

    assert verifier().verify(token) == claims
    assert claims == AccessClaims(
        user_id=user_id,
        token_id=claims.token_id,
        expires_at=now.replace(microsecond=0) + timedelta(minutes=15),
        issued_at=now.replace(microsecond=0),
        scope=scope,
        is_scoped=bool(scope),
        session_id=session_id,
        is_own=True,
    )


# At the site ----------------------------------------------------------------------------------------------------------


def test_simplejwt_takes_a_token_of_the_bridge(now: datetime):
    token, claims = issuer(key=SITE_KEY).issue(user_id="7", now=now, scope=("read",), session_id="grant")

    validated = AccessToken(token)  # type: ignore[arg-type]  # SimpleJWT annotates its own text as a Token

    assert validated["user_id"] == "7"
    assert validated["jti"] == claims.token_id


def test_simplejwts_authentication_takes_a_bearer_token_of_the_bridge(now: datetime):
    token, _ = issuer(key=SITE_KEY).issue(user_id="7", now=now)
    request = Request(APIRequestFactory().get("/", HTTP_AUTHORIZATION=f"Bearer {token}"))

    authenticated = JWTStatelessUserAuthentication().authenticate(request)

    assert authenticated is not None
    assert authenticated[0].pk == "7"


def test_simplejwt_takes_a_token_issued_this_very_moment():
    token, _ = issuer(key=SITE_KEY).issue(user_id="7", now=datetime.now(UTC))

    assert JWTAuthentication().get_validated_token(token.encode())["user_id"] == "7"


def test_simplejwt_takes_it_where_it_is_told_the_bridges_issuer_and_audience(now: datetime):
    token, _ = issuer().issue(user_id="7", now=now)

    backend = TokenBackend("HS256", SECRET, audience=AUDIENCE, issuer=ISSUER)
    payload = backend.decode(token)  # type: ignore[arg-type]  # likewise

    assert payload["user_id"] == "7"


@pytest.mark.parametrize("name", ["RS256", "ES256"])  # it knows no EdDSA
def test_simplejwt_takes_a_token_signed_by_a_key_pair(now: datetime, key_pairs: dict[str, SigningKey], name: str):
    key = key_pairs[name]
    token, _ = issuer(key=key).issue(user_id="7", now=now)

    payload = TokenBackend(name, verifying_key=key.public).decode(token)  # type: ignore[arg-type]  # likewise
    assert payload["user_id"] == "7"


def test_the_key_is_not_in_the_repr_of_a_signing_key():
    assert SECRET not in repr(KEY)
