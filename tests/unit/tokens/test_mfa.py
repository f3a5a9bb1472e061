"""A token between a right password and a code: for that alone."""

from datetime import UTC, datetime, timedelta

import jwt
import pytest

from bridge.errors import InvalidToken
from bridge.tokens import KeySet, MfaTokens
from bridge.tokens.keys import SigningKey
from bridge.tokens.verifier import TokenVerifier

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SECRET = "the site's secret key, which is long enough for a signature"
OLDER = "the site's secret key of last year, which is long enough too"
TOKENS = MfaTokens(secrets=[SECRET], issuer="bridge")


def issued(tokens: MfaTokens = TOKENS) -> str:
    return tokens.issue(user_id="7", auth_hash="of a stored value", now=NOON)


def test_it_says_whose_password_was_right():
    claims = TOKENS.verify(issued(), now=NOON)

    assert (claims.user_id, claims.auth_hash) == ("7", "of a stored value")


def test_it_keeps_what_was_asked_for():
    token = TOKENS.issue(user_id="7", auth_hash="of a stored value", now=NOON, scope=("orders:read", "me"))

    assert TOKENS.verify(token, now=NOON).scope == ("orders:read", "me")
    assert TOKENS.verify(issued(), now=NOON).scope == ()


def test_it_holds_until_its_five_minutes_are_over():
    assert TOKENS.verify(issued(), now=NOON + timedelta(seconds=299)).user_id == "7"
    with pytest.raises(InvalidToken, match="expired"):
        TOKENS.verify(issued(), now=NOON + timedelta(seconds=300))


def test_it_outlives_a_rotation_of_the_key_by_the_fallbacks():
    rotated = MfaTokens(secrets=[SECRET, OLDER], issuer="bridge")

    assert rotated.verify(issued(MfaTokens(secrets=[OLDER], issuer="bridge")), now=NOON).user_id == "7"


@pytest.mark.parametrize("secret", [SECRET, OLDER])
def test_no_verifier_of_access_tokens_takes_it_even_under_the_same_secret(secret: str):
    keys = KeySet.of_one(SigningKey.load(secret, algorithm="HS256"))
    verifier = TokenVerifier(keys=keys, issuer="bridge", audience="django", site_issuer="bridge")

    with pytest.raises(InvalidToken):
        verifier.verify(issued())
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(issued(), secret, algorithms=["HS256"], options={"verify_exp": False})


def test_it_names_nobody_in_the_claims_that_others_read():
    payload = jwt.decode(issued(), options={"verify_signature": False})

    assert payload.keys() & {"sub", "user_id", "jti", "aud", "scope", "sid"} == set()


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "a.b.c",
        "x" * 3000,
        issued()[:-2] + "AA",
        issued(MfaTokens(secrets=[OLDER], issuer="bridge")),
        issued(MfaTokens(secrets=[SECRET], issuer="another")),
        jwt.encode({"token_type": "mfa", "iss": "bridge", "exp": 2_000_000_000}, "", "none"),
        jwt.encode({"token_type": "mfa", "iss": "bridge", "exp": 2_000_000_000}, SECRET, "HS256"),
    ],
    ids=["empty", "text", "parts", "long", "tampered", "foreign-key", "foreign-issuer", "none", "the-secret-itself"],
)
def test_what_is_none_is_refused(token: str):
    with pytest.raises(InvalidToken):
        TOKENS.verify(token, now=NOON)
