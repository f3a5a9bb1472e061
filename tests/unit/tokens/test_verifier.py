"""Which access tokens the bridge believes: its own and the site's, and no others."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.contrib.auth import get_user_model
from hypothesis import given, settings
from hypothesis import strategies as st
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from bridge.errors import InvalidToken
from bridge.tokens import AccessClaims, SigningKey
from tests.unit.tokens.forging import (
    KEY,
    SECRET,
    as_json,
    bridge_claims,
    forge,
    issuer,
    signed_by_hand,
    site_claims,
    unpadded,
    verifier,
)
from tests.unit.tokens.test_issuer import SITE_KEY

FAR = 10**10
"""An ``exp`` or ``iat`` in the year 2286."""


def refused(token: Any, **site: Any) -> InvalidToken:
    """Hold that a token is refused, and that the refusal does not repeat it."""
    with pytest.raises(InvalidToken) as refusal:
        verifier(**site).verify(token)
    return refusal.value


# The site's tokens ----------------------------------------------------------------------------------------------------


def test_a_token_that_simplejwt_made_for_a_user_is_believed():
    user = get_user_model()(pk=7, username="ada")

    claims = verifier(key=SITE_KEY).verify(str(AccessToken.for_user(user)))

    assert claims.user_id == "7"
    assert claims.scope == ()
    assert claims.session_id is None


def test_an_integer_user_id_is_read_as_text():
    token = AccessToken()  # as SimpleJWT before 5.5.1 and ninja-jwt write it
    token["user_id"] = 7

    assert verifier(key=SITE_KEY).verify(str(token)).user_id == "7"


def test_the_claims_of_a_site_token_are_read():
    assert verifier().verify(forge(site_claims(iat=1, exp=FAR, jti="x"))) == AccessClaims(
        user_id="7",
        token_id="x",
        expires_at=datetime.fromtimestamp(FAR, UTC),
        issued_at=datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("claim", "scope", "is_scoped"),
    [
        ({}, (), False),
        ({"scope": ""}, (), False),
        ({"scope": "read"}, ("read",), True),
        ({"scope": "read  write"}, ("read", "write"), True),
        ({"scope": " "}, (), True),
        ({"scope": ["read"]}, (), True),
        ({"scope": {"read": True}}, (), True),
        ({"scope": 0}, (), True),
        ({"scope": None}, (), True),
    ],
    ids=str,
)
def test_a_token_is_limited_to_the_scope_that_it_names_and_to_nothing_by_one_that_cannot_be_read(
    claim: dict[str, Any], scope: tuple[str, ...], *, is_scoped: bool
):
    payload = site_claims() | claim  # None stays, other than in what site_claims() is given

    claims = verifier().verify(forge(payload))

    assert (claims.scope, claims.is_scoped) == (scope, is_scoped)


def test_a_site_token_need_not_say_when_it_was_issued():
    assert verifier().verify(forge(site_claims(iat=None))).issued_at is None


def test_a_token_of_a_site_with_an_issuer_and_an_audience_is_believed():
    backend = TokenBackend("HS256", SECRET, audience="site-audience", issuer="site-issuer")

    claims = verifier(site_issuer="site-issuer", site_audience="site-audience").verify(backend.encode(site_claims()))

    assert claims.user_id == "7"


@pytest.mark.parametrize("audience", ["shop", ["shop"], ["other", "shop"]], ids=["text", "list", "list-of-two"])
def test_an_audience_may_be_one_of_several(audience: Any):
    assert verifier().verify(forge(bridge_claims(aud=audience))).user_id == "7"


# Algorithms and keys --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["RS256", "ES256", "EdDSA"])
class TestAKeyPair:
    def test_signs_what_it_verifies(self, key_pairs: dict[str, SigningKey], name: str):
        token, claims = issuer(key=key_pairs[name]).issue(user_id="7", now=datetime.now(UTC))

        assert verifier(key=key_pairs[name]).verify(token) == claims

    def test_believes_no_token_of_a_shared_secret(self, key_pairs: dict[str, SigningKey], name: str):
        refused(forge(bridge_claims()), key=key_pairs[name])

    def test_believes_no_token_that_has_its_public_half_for_a_secret(self, key_pairs: dict[str, SigningKey], name: str):
        public = key_pairs[name].public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        header = as_json({"alg": "HS256", "typ": "JWT"})

        refused(signed_by_hand(header, as_json(bridge_claims()), secret=public), key=key_pairs[name])

    def test_believes_no_token_of_another_pair(self, key_pairs: dict[str, SigningKey], pems: dict[str, str], name: str):
        for other in key_pairs.keys() - {name}:
            token = forge(bridge_claims(), key=key_pairs[other].private, algorithm=other)
            refused(token, key=key_pairs[name])


def test_a_shared_secret_believes_no_token_of_a_key_pair(key_pairs: dict[str, SigningKey]):
    refused(forge(bridge_claims(), key=key_pairs["RS256"].private, algorithm="RS256"))


def test_a_token_of_another_secret_is_refused():
    refused(forge(bridge_claims(), key="another signing key that is quite as long as it"))


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_the_right_key_under_another_algorithm_is_refused(algorithm: str):
    refused(forge(bridge_claims(), algorithm=algorithm))


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", "hs256", None, 256, ["HS256"]], ids=repr)
@pytest.mark.parametrize("signature", [True, False], ids=["signed", "unsigned"])
def test_the_header_does_not_choose_the_algorithm(algorithm: Any, signature: bool):  # noqa: FBT001
    token = signed_by_hand(as_json({"alg": algorithm, "typ": "JWT"}), as_json(bridge_claims()))

    refused(token if signature else token.rpartition(".")[0] + ".")


def test_a_key_in_the_header_is_not_used():
    attackers = "a secret that the attacker made up for this token"
    jwk = {"kty": "oct", "k": unpadded(attackers.encode())}

    refused(forge(bridge_claims(), key=attackers, headers={"jwk": jwk, "kid": "1", "jku": "https://attacker.example"}))


@pytest.mark.parametrize(
    "headers", [{"crit": ["exp"]}, {"crit": ["unheard-of"], "unheard-of": True}, {"crit": []}, {"b64": False}], ids=repr
)
def test_a_token_with_critical_extensions_is_refused(headers: dict[str, Any]):
    refused(signed_by_hand(as_json({"alg": "HS256", **headers}), as_json(bridge_claims())))


# Time -----------------------------------------------------------------------------------------------------------------


def test_an_expired_token_of_the_bridge_is_refused():
    token, _ = issuer(lifetime=timedelta(minutes=15)).issue(
        user_id="7", now=datetime.now(UTC) - timedelta(minutes=15, seconds=1)
    )

    refused(token)


PAST = 10**9

TIMES = [
    pytest.param({"exp": PAST}, id="expired"),
    pytest.param({"exp": 0}, id="expired-at-the-epoch"),
    pytest.param({"exp": -1}, id="expired-before-the-epoch"),
    pytest.param({"exp": None}, id="without-expiry"),
    pytest.param({"exp": True}, id="expiry-is-true"),
    pytest.param({"exp": str(FAR)}, id="expiry-is-text"),
    pytest.param({"exp": [FAR]}, id="expiry-is-a-list"),
    pytest.param({"exp": 10**30}, id="expiry-beyond-any-calendar"),
    pytest.param({"exp": float("inf")}, id="expiry-is-infinite"),
    pytest.param({"exp": float("nan")}, id="expiry-is-no-number"),
    pytest.param({"iat": FAR - 1, "exp": FAR}, id="issued-in-the-future"),
    pytest.param({"iat": "yesterday"}, id="issued-at-is-text"),
    pytest.param({"iat": False}, id="issued-at-is-false"),
    pytest.param({"iat": -(10**30)}, id="issued-before-any-calendar"),
    pytest.param({"nbf": FAR - 1, "exp": FAR}, id="not-yet-valid"),
    pytest.param({"nbf": "tomorrow"}, id="not-before-is-text"),
]


@pytest.mark.parametrize("changed", TIMES)
@pytest.mark.parametrize("claims", [site_claims, bridge_claims], ids=["site", "bridge"])
def test_a_token_outside_its_time_is_refused(claims: Any, changed: dict[str, Any]):
    refused(signed_by_hand(as_json({"alg": "HS256", "typ": "JWT"}), as_json(claims(**changed))))


# Claims ---------------------------------------------------------------------------------------------------------------

CLAIMS = [
    pytest.param({"token_type": "refresh"}, id="a-refresh-token"),
    pytest.param({"token_type": "sliding"}, id="a-sliding-token"),
    pytest.param({"token_type": None}, id="no-type"),
    pytest.param({"token_type": ["access"]}, id="a-list-of-types"),
    pytest.param({"jti": None}, id="no-jti"),
    pytest.param({"jti": 5}, id="integer-jti"),
    pytest.param({"jti": ""}, id="empty-jti"),
    pytest.param({"jti": "j" * 256}, id="overlong-jti"),
    pytest.param({"jti": ["a1b2c3"]}, id="a-list-of-jti"),
    pytest.param({"user_id": None}, id="no-user"),
    pytest.param({"user_id": True}, id="user-is-true"),
    pytest.param({"user_id": False}, id="user-is-false"),
    pytest.param({"user_id": ""}, id="empty-user"),
    pytest.param({"user_id": "7" * 256}, id="overlong-user"),
    pytest.param({"user_id": 10**255}, id="overlong-integer-user"),
    pytest.param({"user_id": 7.0}, id="fractional-user"),
    pytest.param({"user_id": ["7"]}, id="a-list-of-users"),
    pytest.param({"user_id": {"id": "7"}}, id="user-is-an-object"),
    pytest.param({"iss": "https://elsewhere.example"}, id="foreign-issuer"),
    pytest.param({"iss": ""}, id="empty-issuer"),
    pytest.param({"iss": ["https://bridge.example"]}, id="a-list-of-issuers"),
    pytest.param({"aud": "elsewhere"}, id="foreign-audience"),
    pytest.param({"aud": ["elsewhere", "shop too"]}, id="foreign-audiences"),
    pytest.param({"aud": []}, id="an-empty-list-of-audiences"),
    pytest.param({"aud": {"shop": 1}}, id="audience-is-an-object"),
]


@pytest.mark.parametrize("changed", CLAIMS)
@pytest.mark.parametrize("claims", [site_claims, bridge_claims], ids=["site", "bridge"])
def test_a_token_with_a_claim_that_does_not_fit_is_refused(claims: Any, changed: dict[str, Any]):
    refused(signed_by_hand(as_json({"alg": "HS256", "typ": "JWT"}), as_json(claims(**changed))))


@pytest.mark.parametrize("claim", ["aud", "sub", "iat", "jti", "client_id", "exp"])
def test_a_token_in_the_bridges_name_has_all_that_the_bridge_writes(claim: str):
    refused(forge(bridge_claims(**{claim: None})))


def test_simplejwts_refresh_token_is_not_an_access_token():
    token = RefreshToken()
    token["user_id"] = "7"

    refused(str(token), key=SITE_KEY)


@pytest.mark.parametrize(
    "changed",
    [{}, {"iss": "site-issuer"}, {"aud": "site-audience"}, {"iss": "site-issuer", "aud": "shop"}],
    ids=["neither", "no-audience", "no-issuer", "the-bridges-audience"],
)
def test_a_site_with_an_issuer_and_an_audience_has_both_in_its_tokens(changed: dict[str, str]):
    refused(forge(site_claims(**changed)), site_issuer="site-issuer", site_audience="site-audience")


@pytest.mark.parametrize("scope", [None, 5, ["read"], ""], ids=repr)
def test_a_scope_that_is_no_text_grants_nothing(scope: Any):
    assert verifier().verify(forge(bridge_claims(scope=scope))).scope == ()


# Things that are no token ---------------------------------------------------------------------------------------------

GENUINE = forge(bridge_claims(exp=FAR, iat=1))

JUNK = [
    pytest.param("", id="empty"),
    pytest.param(" ", id="blank"),
    pytest.param("two words", id="two-words"),
    pytest.param(f"{GENUINE} {GENUINE}", id="two-tokens"),
    pytest.param(f"{GENUINE} ", id="trailing-space"),
    pytest.param(f"{GENUINE}\n", id="trailing-line-break"),
    pytest.param(f"Bearer {GENUINE}", id="with-its-scheme"),
    pytest.param("garbage", id="garbage"),
    pytest.param("..", id="dots"),
    pytest.param("a.b", id="two-parts"),
    pytest.param(f"{GENUINE}.e30", id="four-parts"),
    pytest.param(GENUINE.rpartition(".")[0], id="without-signature"),
    pytest.param(GENUINE.rpartition(".")[0] + ".", id="with-an-empty-signature"),
    pytest.param("é.é.é", id="not-ascii"),
    pytest.param("\udc80.\ud800.\0", id="lone-surrogates"),
    pytest.param(f"{GENUINE[:-1]}\0", id="nul"),
    pytest.param("x" * 1_000_000, id="a-megabyte"),
    pytest.param(signed_by_hand(b"[]", as_json(bridge_claims())), id="header-is-a-list"),
    pytest.param(signed_by_hand(b"\xff", as_json(bridge_claims())), id="header-is-not-utf-8"),
    pytest.param(signed_by_hand(b"[" * 5000, b"{}"), id="header-is-nested-deeply"),
    pytest.param(signed_by_hand(b'{"alg":' + b"9" * 5000 + b"}", b"{}"), id="header-has-a-huge-number"),
    pytest.param(signed_by_hand(b'{"alg":"HS256"}', b"[]"), id="payload-is-a-list"),
    pytest.param(signed_by_hand(b'{"alg":"HS256"}', b"null"), id="payload-is-null"),
    pytest.param(signed_by_hand(b'{"alg":"HS256"}', b"{"), id="payload-is-cut"),
    pytest.param(signed_by_hand(b'{"alg":"HS256"}', b"\xff"), id="payload-is-not-utf-8"),
    pytest.param(signed_by_hand(b'{"alg":"HS256"}', b"[" * 5000), id="payload-is-nested-deeply"),
]


@pytest.mark.parametrize("token", JUNK)
def test_what_is_no_token_is_refused(token: str):
    refused(token)


def test_a_token_longer_than_any_header_is_refused_though_it_is_genuine():
    refused(forge(bridge_claims(padding="p" * 8192)))


@pytest.mark.parametrize("part", [0, 1, 2], ids=["header", "payload", "signature"])
def test_a_token_with_any_part_changed_is_refused(part: int):
    parts = GENUINE.split(".")
    parts[part] = ("f" if parts[part][0] != "f" else "g") + parts[part][1:]

    refused(".".join(parts))


def test_the_parts_of_two_tokens_do_not_mix():
    other = forge(bridge_claims(user_id="8", exp=FAR))

    refused(".".join([*other.split(".")[:2], GENUINE.split(".")[2]]))


lenient = settings(deadline=None, derandomize=True, database=None, max_examples=500)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=5,
)


def outcome(token: str) -> AccessClaims | InvalidToken:
    """Give what comes of a token; any other exception than the documented one fails the test."""
    try:
        return verifier().verify(token)
    except InvalidToken as refusal:
        return refusal


@given(st.one_of(st.text(st.characters()), st.binary(max_size=200).map(lambda raw: raw.decode("latin-1"))))
@lenient
def test_any_text_is_refused(token: str):
    assert isinstance(outcome(token), InvalidToken)


@given(st.lists(st.binary(max_size=60) | json_values.map(as_json), min_size=3, max_size=3))
@lenient
def test_any_three_parts_are_refused(parts: list[bytes]):
    assert isinstance(outcome(".".join(map(unpadded, parts))), InvalidToken)


@given(st.integers(0, len(GENUINE) - 1), st.characters())
@lenient
def test_a_token_with_one_character_changed_is_refused_or_says_the_same(position: int, character: str):
    # The last character of each part has bits that base64 does not use.
    changed = outcome(GENUINE[:position] + character + GENUINE[position + 1 :])

    assert isinstance(changed, InvalidToken) or changed == outcome(GENUINE)


@given(st.dictionaries(st.sampled_from([*bridge_claims(), "nbf", "sid"]), json_values, max_size=3))
@lenient
def test_signed_claims_of_any_shape_are_read_or_refused(changed: dict[str, Any]):
    token = signed_by_hand(as_json({"alg": "HS256", "typ": "JWT"}), as_json(bridge_claims(exp=FAR, iat=1) | changed))

    assert isinstance(outcome(token), AccessClaims | InvalidToken)


@given(st.dictionaries(st.sampled_from(["alg", "typ", "kid", "crit", "b64", "jwk", "x5c"]), json_values))
@lenient
def test_signed_headers_of_any_shape_are_read_or_refused(header: dict[str, Any]):
    token = signed_by_hand(as_json({"alg": "HS256"} | header), as_json(bridge_claims(exp=FAR, iat=1)))

    assert isinstance(outcome(token), AccessClaims | InvalidToken)


# What is not said -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(GENUINE[:-4] + "AAAA", id="tampered"),
        pytest.param(forge(bridge_claims(exp=PAST)), id="expired"),
        pytest.param(forge(bridge_claims(aud="elsewhere")), id="foreign"),
        pytest.param(forge(bridge_claims(user_id="x" * 300)), id="overlong-user"),
        pytest.param("secret-garbage", id="garbage"),
        pytest.param("secret\ud800garbage", id="lone-surrogate"),
    ],
)
def test_a_refusal_repeats_no_part_of_the_token(token: str):
    refusal = refused(token)

    said = f"{refusal} {refusal!r} {refusal.__cause__}"
    assert not [part for part in token.split(".") if part in said]
    assert SECRET not in said


def test_a_refusal_is_raised_from_the_librarys_own():
    assert refused("garbage").__cause__ is not None


def test_the_verifiers_key_is_not_in_any_repr():
    assert SECRET not in repr(verifier())
    assert SECRET not in repr(KEY)
