"""Which key signs when, which still verify, and what a token's header may say about it."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Final

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bridge.errors import ConfigurationError, InvalidToken
from bridge.tokens import KeySet, SigningKey, TokenIssuer, TokenVerifier
from bridge.tokens.keyset import PUBLICATION, DatedKey, KeyTimes
from tests.unit.tokens.forging import AUDIENCE, ISSUER, KEY, SECRET, as_json, bridge_claims, signed_by_hand, unpadded

NOW: Final = datetime.now(UTC).replace(microsecond=0)
LONGEST: Final = timedelta(days=14)
SECOND: Final = timedelta(seconds=1)
CLAIMS: Final = bridge_claims(iat=int(NOW.timestamp()), exp=int(NOW.timestamp()) + 300)
MARGIN: Final = timedelta(seconds=60)
OLD, NEW, OTHER = (SigningKey.generate("ES256") for _ in range(3))
LONG_AGO: Final = NOW - timedelta(days=400)


def key_set(*keys: DatedKey, **times: Any) -> KeySet:
    return KeySet(keys, times=KeyTimes(longest_token=LONGEST, **times))


def two(*, published_at: datetime = NOW, retired_at: datetime | None = None) -> KeySet:
    """The old key, and a new one that is published."""
    return key_set(DatedKey(OLD, LONG_AGO, retired_at), DatedKey(NEW, published_at))


def token(keys: KeySet, *, now: datetime = NOW) -> str:
    made, _ = TokenIssuer(keys=keys, issuer=ISSUER, audience=AUDIENCE, lifetime=timedelta(minutes=15)).issue(
        user_id="7", now=now
    )
    return made


def verify(token: str, keys: KeySet) -> str:
    return TokenVerifier(keys=keys, issuer=ISSUER, audience=AUDIENCE, clock=lambda: NOW).verify(token).user_id


def states(keys: KeySet, *, now: datetime = NOW) -> list[str]:
    return [keys.state(dated, now=now) for dated in keys.keys]


# Signing --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age", "signs"),
    [(timedelta(0), OLD), (PUBLICATION - SECOND, OLD), (PUBLICATION, NEW), (timedelta(days=300), NEW)],
    ids=["new", "almost", "at_last", "ever_after"],
)
def test_a_new_key_signs_once_it_was_published_for_long_enough(age: timedelta, signs: SigningKey):
    keys = two()

    assert keys.signing(now=NOW + age) == signs
    assert jwt.get_unverified_header(token(keys, now=NOW + age))["kid"] == signs.kid


def test_a_verifier_that_keeps_a_key_set_as_long_as_pyjwt_knows_each_key_before_it_signs():
    client = jwt.PyJWKClient("https://bridge.example")
    assert client.jwk_set_cache is not None
    times = KeyTimes(longest_token=LONGEST)

    assert timedelta(seconds=client.jwk_set_cache.lifespan) + times.max_age + MARGIN <= times.publication


@pytest.mark.parametrize("seconds", [60, 300, 420, 86_400])
def test_nobody_may_keep_a_key_set_for_longer_than_a_minute_or_a_seventh_of_the_publication(seconds: int):
    times = KeyTimes(longest_token=LONGEST, publication=timedelta(seconds=seconds))

    assert times.max_age == timedelta(seconds=min(60, seconds / 7))


def test_the_first_key_signs_at_once():
    assert key_set(DatedKey(NEW, NOW)).signing(now=NOW) == NEW


def test_of_keys_that_nobody_can_know_yet_the_first_signs():
    """The second was made within minutes of the first."""
    keys = key_set(DatedKey(NEW, NOW), DatedKey(OLD, NOW - SECOND))

    assert keys.signing(now=NOW) == OLD


def test_a_retired_key_signs_no_more_though_it_is_the_youngest():
    keys = key_set(DatedKey(OLD, LONG_AGO), DatedKey(NEW, LONG_AGO + SECOND, retired_at=NOW))

    assert keys.signing(now=NOW) == OLD


def test_at_any_time_exactly_one_key_signs_and_every_other_waits_or_verifies():
    keys = key_set(DatedKey(OLD, NOW), DatedKey(NEW, NOW + timedelta(hours=1)), DatedKey(OTHER, NOW + PUBLICATION / 2))
    moments = [NOW + timedelta(seconds=each) for each in range(0, 8000, 30)]

    assert {states(keys, now=moment).count("signing") for moment in moments} == {1}
    signing = [keys.signing(now=moment).kid for moment in moments]
    assert [after for before, after in pairwise(signing) if before != after] == [OTHER.kid, NEW.kid]


# Verifying ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_a_token_names_its_key_by_the_thumbprint(key_pairs: dict[str, SigningKey], algorithm: str):
    header = jwt.get_unverified_header(token(KeySet.of_one(key_pairs[algorithm])))

    assert header == {"alg": algorithm, "typ": "at+jwt", "kid": key_pairs[algorithm].kid}


def test_tokens_of_every_key_verify_throughout_a_rotation():
    of_old, of_new = token(two()), token(key_set(DatedKey(NEW, LONG_AGO)))

    for keys in (two(), two(published_at=LONG_AGO + SECOND), two(published_at=LONG_AGO, retired_at=NOW)):
        assert verify(of_old, keys) == verify(of_new, keys) == "7"


@pytest.mark.parametrize(
    ("ago", "state"),
    [(timedelta(0), "retired"), (LONGEST + MARGIN - SECOND, "retired"), (LONGEST + MARGIN, "removable")],
    ids=["now", "almost", "over"],
)
def test_a_retired_key_verifies_until_the_last_token_it_can_have_signed_has_expired(ago: timedelta, state: str):
    keys = two(published_at=LONG_AGO, retired_at=NOW - ago)

    of_old = token(key_set(DatedKey(OLD, LONG_AGO)))

    assert states(keys) == [state, "signing"]
    named = [each["kid"] for each in keys.published(now=NOW)["keys"]]
    if state == "retired":
        assert verify(of_old, keys) == "7"
        assert set(named) == {OLD.kid, NEW.kid}
    else:
        assert named == [NEW.kid]
        with pytest.raises(InvalidToken):
            verify(of_old, keys)


def by_hand(key: SigningKey, **header: Any) -> str:
    """A token in the bridge's name with more in its header."""
    return jwt.encode(CLAIMS, key.private, key.algorithm, {"kid": key.kid, **header})


def test_a_token_without_a_kid_is_tried_against_every_key():
    for key in (OLD, NEW):
        assert verify(jwt.encode(CLAIMS, key.private, "ES256"), two()) == "7"
    with pytest.raises(InvalidToken):
        verify(jwt.encode(CLAIMS, OTHER.private, "ES256"), two())


@pytest.mark.parametrize(
    "kid",
    ["", "unknown", "../../etc/passwd", f"{OLD.kid} ", "' OR 1=1 --", "x" * 4000],
    ids=["empty", "unknown", "path", "with_a_space", "sql", "long"],
)
def test_a_token_with_a_kid_that_is_none_of_ours_is_refused_though_its_signature_is_good(kid: str):
    with pytest.raises(InvalidToken):
        verify(by_hand(OLD, kid=kid), two())


@pytest.mark.parametrize("kid", [5, True, ["a"], {"a": 1}], ids=repr)
def test_a_kid_that_is_no_text_is_refused(kid: Any):
    private = OLD.private
    header, payload = (unpadded(as_json(each)) for each in ({"alg": "ES256", "kid": kid}, CLAIMS))
    signature = jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA256).sign(
        f"{header}.{payload}".encode(), private
    )

    with pytest.raises(InvalidToken):
        verify(f"{header}.{payload}.{unpadded(signature)}", two())


def test_a_kid_picks_one_of_our_keys_and_its_signature_must_be_that_keys():
    with pytest.raises(InvalidToken):
        verify(by_hand(OLD, kid=NEW.kid), two())


@pytest.mark.parametrize("kid", [OLD.kid, None, "attackers"], ids=["ours", "none", "theirs"])
@pytest.mark.parametrize("name", ["jwk", "jku", "x5u", "x5c"])
def test_a_key_that_a_header_brings_along_or_points_to_is_not_used(name: str, kid: str | None):
    attackers = SigningKey.generate("ES256")
    brought = {
        "jwk": {"kid": "attackers", **jwt.algorithms.ECAlgorithm.to_jwk(attackers.public, as_dict=True)},
        "jku": "https://attacker.example/jwks.json",
        "x5u": "https://attacker.example/certificate.pem",
        "x5c": ["MIIB"],
    }
    header = {name: brought[name]} | ({} if kid is None else {"kid": kid})

    with pytest.raises(InvalidToken):
        verify(jwt.encode(CLAIMS, attackers.private, "ES256", header), two())


@pytest.mark.parametrize("name", ["jwk", "jku", "x5u", "x5c"])
def test_what_a_header_brings_along_is_ignored_where_our_own_key_signed(name: str):
    assert verify(by_hand(OLD, **{name: "https://elsewhere.example"}), two()) == "7"


@pytest.mark.parametrize("header", [{"crit": ["exp"]}, {"crit": []}, {"crit": None}, {"b64": True}], ids=repr)
def test_a_header_with_extensions_is_refused_though_our_own_key_signed(header: dict[str, Any]):
    head, payload = (unpadded(as_json(each)) for each in ({"alg": "ES256", **header}, CLAIMS))
    algorithm = jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA256)
    signature = unpadded(algorithm.sign(f"{head}.{payload}".encode(), OLD.private))

    with pytest.raises(InvalidToken):
        verify(f"{head}.{payload}.{signature}", two())


@pytest.mark.parametrize("named", [True, False], ids=["with_kid", "without"])
@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "none", "None", "ES384", "RS256"])
@pytest.mark.parametrize("form", ["pem", "der", "jwk", "raw_jwk", "kid"])
def test_a_public_key_is_no_secret(algorithm: str, form: str, *, named: bool):
    """Algorithm confusion (RFC 8725 section 2.1), with whatever an attacker can make of what is published."""
    published = two().published(now=NOW)["keys"][0]
    spki = PublicFormat.SubjectPublicKeyInfo
    secret = {
        "pem": OLD.public.public_bytes(Encoding.PEM, spki),
        "der": OLD.public.public_bytes(Encoding.DER, spki),
        "jwk": as_json(published),
        "raw_jwk": OLD.public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint),
        "kid": str(OLD.kid).encode(),
    }[form]
    header = {"alg": algorithm, "typ": "JWT"} | ({"kid": OLD.kid} if named else {})

    with pytest.raises(InvalidToken):
        verify(signed_by_hand(as_json(header), as_json(CLAIMS), secret=secret), two())


def test_keys_that_are_published_are_not_taken_for_another_algorithm(key_pairs: dict[str, SigningKey]):
    for algorithm in ("RS256", "EdDSA"):
        with pytest.raises(InvalidToken):
            verify(token(KeySet.of_one(key_pairs[algorithm])), two())


# Shared secrets -------------------------------------------------------------------------------------------------------


def test_a_shared_secret_has_no_name_and_is_not_published():
    keys = KeySet.of_one(KEY)

    assert "kid" not in jwt.get_unverified_header(token(keys))
    assert keys.published(now=NOW) == {"keys": []}


def test_a_name_that_another_issuer_gives_the_shared_secret_changes_nothing():
    assert verify(jwt.encode(CLAIMS, SECRET, "HS256", {"kid": "theirs"}), KeySet.of_one(KEY)) == "7"


# What is published ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_nothing_private_is_published(key_pairs: dict[str, SigningKey], algorithm: str):
    (published,) = KeySet.of_one(key_pairs[algorithm]).published(now=NOW)["keys"]

    assert published.keys() <= {"kid", "alg", "use", "kty", "crv", "x", "y", "n", "e"}
    assert (published["kid"], published["alg"], published["use"]) == (key_pairs[algorithm].kid, algorithm, "sig")


def test_a_key_is_published_before_it_signs():
    assert [each["kid"] for each in two().published(now=NOW)["keys"]] == [OLD.kid, NEW.kid]


# Sets that are refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        pytest.param((), "No key is left", id="none"),
        pytest.param((DatedKey(OLD, LONG_AGO, NOW),), "No key is left", id="all_retired"),
        pytest.param(tuple(DatedKey(SigningKey.generate("EdDSA")) for _ in range(9)), "more than 8", id="nine"),
        pytest.param((DatedKey(OLD), DatedKey(SigningKey.generate("EdDSA"))), "different algorithms", id="mixed"),
    ],
)
def test_a_set_that_cannot_sign_safely_is_refused(keys: tuple[DatedKey, ...], named: str):
    with pytest.raises(ConfigurationError, match=named) as refused:
        key_set(*keys)

    assert refused.value.cure


def test_two_sets_are_equal_if_their_keys_and_dates_are():
    reread = DatedKey.from_document(DatedKey(OLD, NOW).to_document())

    assert key_set(reread) == key_set(DatedKey(OLD, NOW))
    assert key_set(reread) != key_set(DatedKey(OLD, NOW, NOW), DatedKey(NEW, NOW))


def test_no_private_key_is_in_the_repr_of_a_set():
    assert "PRIVATE" not in repr(two())
    assert SECRET not in repr(KeySet.of_one(KEY))


@pytest.mark.parametrize("algorithm", ["HS256", "none", "RS512", ""])
def test_key_pairs_are_made_for_their_algorithms_alone(algorithm: str):
    with pytest.raises(ConfigurationError, match="no key pairs"):
        SigningKey.generate(algorithm)
