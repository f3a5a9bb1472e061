"""SimpleJWT's views with the app's serializers: bridge.contrib.rest_framework."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import jwt
import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings
from rest_framework_simplejwt import serializers as simple_jwt
from rest_framework_simplejwt import settings as simple_jwt_settings
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from rest_framework_simplejwt.tokens import RefreshToken

from bridge.contrib.django.grants import take_turn
from bridge.contrib.django.models import Activity, Grant
from bridge.contrib.rest_framework import TokenObtainPairSerializer, TokenRefreshSerializer
from bridge.tokens import RefreshClaims, unverified_session_id
from tests.conftest import PASSWORD, old_hash
from tests.contrib.conftest import age_rotation, bearer, open_at_the_bridge, refresh_token_of

GRACE: Final = timedelta(seconds=10)


def obtain(site: Client, **headers: str) -> dict[str, str]:
    answer = site.post("/api/token/", {"username": "ada", "password": PASSWORD}, headers=headers)
    assert answer.status_code == 200, answer.content
    pair: dict[str, str] = answer.json()
    return pair


def refresh(site: Client, token: str) -> Any:
    return site.post("/api/token/refresh/", {"refresh": token})


def refreshed(site: Client, token: str) -> dict[str, str]:
    answer = refresh(site, token)
    assert answer.status_code == 200, answer.content
    pair: dict[str, str] = answer.json()
    return pair


def is_refused(answer: Any) -> bool:
    return bool(answer.status_code == 401 and answer.json()["code"] == "token_not_valid")


def opens(site: Client, access: str) -> bool:
    answer = site.get("/api/me/", headers={"Authorization": bearer(access)})
    assert answer.status_code in (200, 401)
    return answer.status_code == 200


def read(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def spent() -> set[str]:
    return set(BlacklistedToken.objects.values_list("token__jti", flat=True))


@pytest.fixture
def lasting(settings: Settings) -> None:
    """A site that does not rotate."""
    settings.SIMPLE_JWT = {**settings.SIMPLE_JWT, "ROTATE_REFRESH_TOKENS": False}


@pytest.fixture
def without_grace(settings: Settings) -> None:
    settings.BRIDGE = {"REFRESH_GRACE": 0}


# Logging in -----------------------------------------------------------------------------------------------------------


def test_a_login_opens_a_grant_that_both_tokens_name(site: Client, ada: User):
    pair = obtain(site)

    grant = Grant.objects.get()
    assert {read(pair["access"])["sid"], read(pair["refresh"])["sid"]} == {grant.pk}
    assert (grant.user_id, grant.current_token_id) == (str(ada.pk), read(pair["refresh"])["jti"])


def test_the_grant_is_named_after_the_device(site: Client, ada: User):
    obtain(site, **{"User-Agent": "Ada's telephone"})

    assert Grant.objects.get().device == "Ada's telephone"


def test_a_device_may_have_a_very_long_name(site: Client, ada: User):
    obtain(site, **{"User-Agent": "x" * 3000})

    assert Grant.objects.get().device == "x" * 255


def test_the_grant_hangs_on_the_password_as_the_login_left_it(site: Client, ada: User):
    User.objects.update(password=old_hash(PASSWORD))

    pair = obtain(site)

    assert Grant.objects.get().auth_hash == User.objects.get().get_session_auth_hash()
    assert opens(site, pair["access"])


def test_the_tokens_are_otherwise_simple_jwts(site: Client, ada: User):
    pair, stock = obtain(site), RefreshToken.for_user(ada)

    assert set(read(pair["refresh"])) == {*stock.payload, "sid"}
    assert set(read(pair["access"])) == {*stock.access_token.payload, "sid"}
    assert read(pair["refresh"])["exp"] - read(pair["refresh"])["iat"] == RefreshToken.lifetime.total_seconds()


def test_the_site_lists_the_token_with_its_grant(site: Client, ada: User):
    pair = obtain(site)

    listed = OutstandingToken.objects.get()
    assert (listed.token, listed.user, unverified_session_id(listed.token)) == (
        pair["refresh"],
        ada,
        Grant.objects.get().pk,
    )


def test_a_wrong_password_opens_no_grant(site: Client, ada: User):
    assert site.post("/api/token/", {"username": "ada", "password": "wrong"}).status_code == 401
    assert not Grant.objects.exists()


def test_the_sites_own_claims_stay(ada: User):
    class Greeting(TokenObtainPairSerializer):
        @classmethod
        def get_token(cls, user: Any) -> Any:
            token = super().get_token(user)
            token["greeting"] = f"Hello, {user}"
            return token

    pair = Greeting().validate({"username": "ada", "password": PASSWORD})
    successor = TokenRefreshSerializer().validate({"refresh": pair["refresh"]})

    texts = [pair["access"], pair["refresh"], successor["access"], successor["refresh"]]
    assert [read(text)["greeting"] for text in texts] == ["Hello, ada"] * 4


def test_a_login_updates_last_login_where_the_site_wants_it(site: Client, ada: User, settings: Settings):
    settings.SIMPLE_JWT = {**settings.SIMPLE_JWT, "UPDATE_LAST_LOGIN": True}

    obtain(site)

    assert User.objects.get().last_login is not None


@pytest.fixture
def without_our_table(transactional_db: None) -> Iterator[None]:
    """The app is installed, and its migrations are yet to run."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE bridge_grant RENAME TO bridge_grant_to_come")
    yield
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE bridge_grant_to_come RENAME TO bridge_grant")


@pytest.mark.usefixtures("without_our_table")
def test_before_the_migrations_a_login_is_what_simple_jwts_is(site: Client, ada: User):
    pair = obtain(site)

    assert "sid" not in read(pair["refresh"])
    assert opens(site, pair["access"])


# Refreshing -----------------------------------------------------------------------------------------------------------


def test_a_refresh_gives_the_next_pair_of_the_same_grant(site: Client, ada: User):
    first = obtain(site)
    second = refreshed(site, first["refresh"])

    assert read(second["refresh"])["jti"] != read(first["refresh"])["jti"]
    assert {read(each)["sid"] for each in (*first.values(), *second.values())} == {Grant.objects.get().pk}
    assert opens(site, second["access"])


def test_refreshes_go_on(site: Client, ada: User):
    token = obtain(site)["refresh"]
    seen = {read(token)["jti"]}
    for _ in range(5):
        token = refreshed(site, token)["refresh"]
        seen.add(read(token)["jti"])

    assert len(seen) == 6
    assert spent() == seen - {read(token)["jti"]}


def test_a_new_refresh_token_lives_as_long_as_simple_jwts(site: Client, ada: User):
    claims = read(refreshed(site, obtain(site)["refresh"])["refresh"])

    assert claims["exp"] - claims["iat"] == RefreshToken.lifetime.total_seconds()


def test_no_refresh_token_outlives_its_grant(site: Client, ada: User):
    token = obtain(site)["refresh"]
    Grant.objects.update(expires_at=datetime.now(UTC) + timedelta(hours=1))

    claims = read(refreshed(site, token)["refresh"])

    assert claims["exp"] <= datetime.now(UTC).timestamp() + 3600


def test_a_grant_lives_at_least_as_long_as_its_first_token(site: Client, ada: User, settings: Settings):
    settings.BRIDGE = {"GRANT_LIFETIME": 60}

    claims = read(obtain(site)["refresh"])

    assert Grant.objects.get().expires_at.timestamp() == claims["exp"]


def test_a_lost_answer_is_given_again(site: Client, ada: User):
    token = obtain(site)["refresh"]

    assert refreshed(site, token)["refresh"] == refreshed(site, token)["refresh"]


def test_a_lost_answer_can_be_gone_on_with(site: Client, ada: User):
    token = obtain(site)["refresh"]
    refreshed(site, token)
    again = refreshed(site, token)["refresh"]

    assert refresh(site, again).status_code == 200


def nothing_lives(site: Client, *pairs: dict[str, str]) -> bool:
    every_refresh = all(is_refused(refresh(site, pair["refresh"])) for pair in pairs)
    every_access = not any(opens(site, pair["access"]) for pair in pairs)
    listed = set(OutstandingToken.objects.values_list("jti", flat=True))
    return every_refresh and every_access and listed == spent()


def test_a_token_that_comes_back_ends_the_whole_login(site: Client, ada: User):
    first = obtain(site)
    second = refreshed(site, first["refresh"])
    age_rotation(GRACE + timedelta(seconds=1))

    assert is_refused(refresh(site, first["refresh"]))

    assert Grant.objects.get().ended_by == "reuse"
    assert nothing_lives(site, first, second)


@pytest.mark.usefixtures("without_grace")
def test_without_grace_a_token_comes_back_at_once(site: Client, ada: User):
    first = obtain(site)
    second = refreshed(site, first["refresh"])

    assert is_refused(refresh(site, first["refresh"]))

    assert nothing_lives(site, first, second)


def test_the_grace_ends_when_the_successor_was_used(site: Client, ada: User):
    first = obtain(site)
    second = refreshed(site, first["refresh"])
    third = refreshed(site, second["refresh"])

    assert is_refused(refresh(site, first["refresh"]))

    assert nothing_lives(site, first, second, third)


def test_a_reuse_is_counted(site: Client, ada: User, without_grace: None, django_capture_on_commit_callbacks: Any):
    token = obtain(site)["refresh"]
    refreshed(site, token)
    with django_capture_on_commit_callbacks(execute=True):
        refresh(site, token)

    assert Activity.objects.get(event="refresh_reused").count == 1


def test_a_reuse_of_one_login_leaves_the_users_others(site: Client, ada: User, without_grace: None):
    token, other = obtain(site)["refresh"], obtain(site)
    refreshed(site, token)
    refresh(site, token)

    assert opens(site, other["access"])
    assert refresh(site, other["refresh"]).status_code == 200


@pytest.mark.parametrize("new", ["another", PASSWORD], ids=["another", "the_same_again"])
def test_a_changed_password_ends_the_login(site: Client, ada: User, new: str):
    pair = obtain(site)
    ada.set_password(new)
    ada.save()

    assert is_refused(refresh(site, pair["refresh"]))
    assert Grant.objects.get().ended_by == "password"
    assert nothing_lives(site, pair)


def test_a_silent_re_hash_ends_no_login(site: Client, ada: User, settings: Settings):
    pair = obtain(site)
    settings.PASSWORD_HASHERS = ["tests.contrib.hashers.SaltierArgon2", *settings.PASSWORD_HASHERS]
    before = User.objects.get().password
    assert User.objects.get().check_password(PASSWORD)

    assert User.objects.get().password != before
    successor = refreshed(site, pair["refresh"])
    assert opens(site, successor["access"])
    assert Grant.objects.get().auth_hash == User.objects.get().get_session_auth_hash()


@pytest.fixture
def early(ada: User) -> User:
    """Ada, as a request knew her that waited for its turn while she was re-hashed and the login refreshed elsewhere."""
    User.objects.update(password=old_hash(PASSWORD))
    grant = open_at_the_bridge(User.objects.get())
    read_early = User.objects.get()
    assert User.objects.get().check_password(PASSWORD)
    assert take_turn(User.objects.get(), newest_of(grant)) is not None
    assert User.objects.get().password != read_early.password
    return read_early


def newest_of(grant: Grant) -> RefreshClaims:
    now = datetime.now(UTC)
    return RefreshClaims(
        user_id=grant.user_id,
        token_id=grant.current_token_id,
        issued_at=now,
        expires_at=now + timedelta(days=1),
        session_id=grant.pk,
    )


def test_a_user_who_was_read_before_a_re_hash_goes_on(early: User):
    grant = take_turn(early, newest_of(Grant.objects.get()))

    assert grant is not None
    assert Grant.objects.get().ended_at is None
    assert Grant.objects.get().auth_hash == User.objects.get().get_session_auth_hash()


def test_a_user_who_was_read_before_a_change_does_not(early: User):
    changed = User.objects.get()
    changed.set_password(PASSWORD)
    changed.save()

    assert take_turn(early, newest_of(Grant.objects.get())) is None
    assert Grant.objects.get().ended_by == "password"


def test_nor_one_who_was_deactivated_since(early: User):
    User.objects.update(is_active=False)

    assert take_turn(early, newest_of(Grant.objects.get())) is None
    assert Grant.objects.get().ended_at is None


def test_nor_one_who_was_deleted_since(early: User):
    User.objects.all().delete()

    assert take_turn(early, newest_of(Grant.objects.get())) is None


def test_an_inactive_user_is_refused_as_simple_jwt_does(site: Client, ada: User):
    token = obtain(site)["refresh"]
    User.objects.update(is_active=False)

    answer = refresh(site, token)

    assert (answer.status_code, answer.json()) == (401, {"detail": "No active account found for the given token."})


def test_a_deleted_user_is_refused(site: Client, ada: User):
    token = obtain(site)["refresh"]
    ada.delete()

    assert refresh(site, token).status_code == 401


@pytest.mark.parametrize(
    "change",
    [{"ended_at": datetime.now(UTC)}, {"expires_at": datetime.now(UTC)}, {"user_id": "4711"}],
    ids=["ended", "expired", "somebody_elses"],
)
def test_a_token_of_a_grant_that_is_none_any_more_is_refused(site: Client, ada: User, change: dict[str, Any]):
    token = obtain(site)["refresh"]
    Grant.objects.update(**change)

    assert is_refused(refresh(site, token))


def test_a_token_whose_grant_is_gone_is_refused(site: Client, ada: User):
    token = obtain(site)["refresh"]
    Grant.objects.all().delete()

    assert is_refused(refresh(site, token))


@pytest.mark.parametrize("token", ["", "garbage", "a.b.c", "\0", "\ud800"], ids=ascii)
def test_what_is_no_token_is_refused(site: Client, token: str):
    answer = site.post("/api/token/refresh/", {"refresh": token}, content_type="application/json")

    assert answer.status_code in (400, 401)


def test_an_access_token_refreshes_nothing(site: Client, ada: User):
    assert is_refused(refresh(site, obtain(site)["access"]))


@pytest.mark.parametrize("claim", ["sid", "jti"])
@pytest.mark.parametrize("value", ["nul\0", "\ud800", "x" * 256, 7, None], ids=ascii)
def test_what_no_row_can_hold_is_refused_or_begins_a_login(site: Client, ada: User, claim: str, value: object):
    token = RefreshToken.for_user(ada)
    token[claim] = value

    assert refresh(site, str(token)).status_code == (200 if claim == "sid" and not isinstance(value, str) else 401)


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/New_York"], ids=["ahead", "behind"])
def test_a_site_without_time_zones_writes_what_the_bridge_reads(site: Client, ada: User, settings: Settings, zone: str):
    """On SQLite the bridge reads UTC, whatever the site's own local time is."""
    settings.USE_TZ, settings.TIME_ZONE = False, zone

    first = obtain(site)
    with connection.cursor() as cursor:
        cursor.execute("SELECT created_at, rotated_at, expires_at FROM bridge_grant")
        created, rotated, expires = (
            datetime.fromisoformat(str(each)).replace(tzinfo=UTC) for each in cursor.fetchone()
        )

    assert abs(datetime.now(UTC) - created) < timedelta(minutes=1)
    assert (rotated - created, expires - created) == (timedelta(0), timedelta(days=90))
    second = refreshed(site, first["refresh"])
    assert refreshed(site, first["refresh"])["refresh"] == second["refresh"]
    age_rotation(GRACE + timedelta(seconds=1))
    assert is_refused(refresh(site, first["refresh"]))
    assert nothing_lives(site, first, second)


# Tokens of before the app ---------------------------------------------------------------------------------------------


def test_a_token_without_a_grant_begins_one(site: Client, ada: User):
    token = RefreshToken.for_user(ada)

    successor = refreshed(site, str(token))

    grant = Grant.objects.get()
    assert (grant.opened_by, grant.previous_token_id) == (token["jti"], token["jti"])
    assert (grant.current_token_id, grant.pk) == (read(successor["refresh"])["jti"], read(successor["refresh"])["sid"])
    assert read(successor["access"])["sid"] == grant.pk
    assert spent() == {token["jti"]}


def test_its_lost_answer_is_given_again(site: Client, ada: User):
    token = str(RefreshToken.for_user(ada))

    assert read(refreshed(site, token)["refresh"])["jti"] == read(refreshed(site, token)["refresh"])["jti"]
    assert Grant.objects.count() == 1


def test_its_reuse_ends_the_login_that_it_began(site: Client, ada: User):
    token = str(RefreshToken.for_user(ada))
    successor = refreshed(site, token)
    age_rotation(GRACE + timedelta(seconds=1))

    assert is_refused(refresh(site, token))

    assert nothing_lives(site, successor)


def test_its_scope_is_the_grants(site: Client, ada: User):
    token = RefreshToken.for_user(ada)
    token["scope"] = "orders:read  orders:write"

    refreshed(site, str(token))

    assert Grant.objects.get().scope == "orders:read orders:write"


UNREADABLE: Final = [["orders:read"], 7, None, " ", "nul\0", "x" * 1025]


@pytest.mark.parametrize("scope", UNREADABLE, ids=lambda scope: ascii(scope)[:20])
def test_one_whose_scope_cannot_be_read_is_refused(site: Client, ada: User, scope: object):
    token = RefreshToken.for_user(ada)
    token["scope"] = scope

    assert is_refused(refresh(site, str(token)))
    assert not Grant.objects.exists()


def test_an_empty_scope_limits_nothing(site: Client, ada: User):
    token = RefreshToken.for_user(ada)
    token["scope"] = ""

    refreshed(site, str(token))

    assert Grant.objects.get().scope == ""


def log_in_with(scope: object) -> dict[str, str]:
    class Scoped(TokenObtainPairSerializer):
        @classmethod
        def get_token(cls, user: Any) -> Any:
            token = super().get_token(user)
            token["scope"] = scope
            return token

    return Scoped().validate({"username": "ada", "password": PASSWORD})


def test_the_scope_that_the_site_gives_a_login_is_the_grants(ada: User):
    log_in_with("orders:read")

    assert Grant.objects.get().scope == "orders:read"


@pytest.mark.parametrize("scope", UNREADABLE, ids=lambda scope: ascii(scope)[:20])
def test_a_login_with_a_scope_that_cannot_be_read_opens_no_grant(site: Client, ada: User, scope: object):
    pair = log_in_with(scope)

    assert not Grant.objects.exists()
    assert opens(site, pair["access"])


def test_one_that_was_blacklisted_begins_none(site: Client, ada: User):
    token = RefreshToken.for_user(ada)
    token.blacklist()

    assert is_refused(refresh(site, str(token)))
    assert not Grant.objects.exists()


# Tokens of the bridge -------------------------------------------------------------------------------------------------


def test_a_refresh_token_of_the_bridge_rotates_here(site: Client, ada: User):
    grant = open_at_the_bridge(ada)

    pair = refreshed(site, refresh_token_of(grant))

    assert {read(pair["access"])["sid"], read(pair["refresh"])["sid"]} == {grant.pk}
    assert read(pair["refresh"])["iss"] == "bridge"
    assert (read(pair["access"])["token_use"], read(pair["refresh"])["token_use"]) == ("access", "refresh")
    assert opens(site, pair["access"])


def test_its_reuse_ends_it(site: Client, ada: User, without_grace: None):
    token = refresh_token_of(open_at_the_bridge(ada))
    pair = refreshed(site, token)

    assert is_refused(refresh(site, token))
    assert nothing_lives(site, pair)


def test_one_whose_grant_is_unknown_begins_none(site: Client, ada: User):
    grant = open_at_the_bridge(ada)
    grant_id = grant.pk
    token = refresh_token_of(grant)
    Grant.objects.filter(pk=grant_id).delete()

    assert is_refused(refresh(site, token))
    assert not Grant.objects.exists()


# Next to SimpleJWT's own views ----------------------------------------------------------------------------------------


def stock_refresh(token: str) -> dict[str, str]:
    pair: dict[str, str] = simple_jwt.TokenRefreshSerializer().validate({"refresh": token})
    return pair


@pytest.fixture
def _stock_rotates() -> None:
    """SimpleJWT's serializers hold on to the settings of their import, which are the shop's."""
    assert simple_jwt_settings.api_settings.ROTATE_REFRESH_TOKENS


@pytest.mark.usefixtures("_stock_rotates")
def test_what_simple_jwt_has_rotated_by_itself_goes_on_here(site: Client, ada: User):
    by_stock = stock_refresh(obtain(site)["refresh"])

    assert opens(site, refreshed(site, by_stock["refresh"])["access"])
    assert Grant.objects.count() == 1


@pytest.mark.usefixtures("_stock_rotates")
def test_what_simple_jwt_has_spent_ends_the_login_here(site: Client, ada: User):
    first = obtain(site)
    by_stock = stock_refresh(first["refresh"])

    assert is_refused(refresh(site, first["refresh"]))
    assert nothing_lives(site, first, by_stock)


@pytest.mark.usefixtures("_stock_rotates")
def test_what_was_spent_here_simple_jwt_does_not_take(site: Client, ada: User):
    token = obtain(site)["refresh"]
    refreshed(site, token)

    with pytest.raises(Exception, match="blacklisted"):
        stock_refresh(token)


# Sites that do not rotate ---------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("lasting")
def test_without_rotation_the_token_stays(site: Client, ada: User):
    token = obtain(site)["refresh"]

    answers = [refreshed(site, token) for _ in range(3)]

    assert [set(answer) for answer in answers] == [{"access"}] * 3
    assert all(opens(site, answer["access"]) for answer in answers)
    assert spent() == set()


@pytest.mark.usefixtures("lasting")
def test_without_rotation_an_ended_login_gives_nothing_more(site: Client, ada: User):
    token = obtain(site)["refresh"]
    Grant.objects.update(ended_at=datetime.now(UTC))

    assert is_refused(refresh(site, token))


@pytest.mark.usefixtures("lasting")
def test_without_rotation_a_changed_password_gives_nothing_more(site: Client, ada: User):
    token = obtain(site)["refresh"]
    ada.set_password("another")
    ada.save()

    assert is_refused(refresh(site, token))


@pytest.mark.usefixtures("lasting")
def test_without_rotation_a_token_of_before_the_app_begins_one_login(site: Client, ada: User):
    token = RefreshToken.for_user(ada)

    answers = [refreshed(site, str(token)) for _ in range(3)]

    grant = Grant.objects.get()
    assert (grant.opened_by, grant.current_token_id, grant.previous_token_id) == (token["jti"], token["jti"], None)
    assert {read(answer["access"])["sid"] for answer in answers} == {grant.pk}


@pytest.mark.usefixtures("lasting")
def test_without_rotation_its_login_can_be_ended(site: Client, ada: User):
    token = str(RefreshToken.for_user(ada))
    access = refreshed(site, token)["access"]

    assert site.post("/api/token/blacklist/", {"refresh": token}).status_code == 200

    assert not opens(site, access)
    assert is_refused(refresh(site, token))


def test_a_site_that_begins_to_rotate_goes_on_with_the_tokens_that_it_has(site: Client, ada: User, settings: Settings):
    rotating = settings.SIMPLE_JWT
    settings.SIMPLE_JWT = {**rotating, "ROTATE_REFRESH_TOKENS": False}
    tokens = [obtain(site)["refresh"], str(RefreshToken.for_user(ada))]
    for token in tokens:
        refreshed(site, token)
    settings.SIMPLE_JWT = rotating

    assert all(opens(site, refreshed(site, token)["access"]) for token in tokens)


# Logging out ----------------------------------------------------------------------------------------------------------


def test_blacklisting_the_refresh_token_ends_the_whole_login(site: Client, ada: User):
    first = obtain(site)
    second = refreshed(site, first["refresh"])

    assert site.post("/api/token/blacklist/", {"refresh": second["refresh"]}).status_code == 200

    assert Grant.objects.get().ended_by == "logout"
    assert nothing_lives(site, first, second)


def test_a_spent_refresh_token_logs_nobody_out(site: Client, ada: User):
    first = obtain(site)
    second = refreshed(site, first["refresh"])

    assert is_refused(site.post("/api/token/blacklist/", {"refresh": first["refresh"]}))
    assert opens(site, second["access"])


def test_logging_out_locks_the_grant_before_it_writes_to_the_blacklist(site: Client, ada: User):
    """As everywhere else, so that a refresh at the same moment waits for the logout, and not each for the other."""
    token = obtain(site)["refresh"]

    with CaptureQueriesContext(connection) as queries:
        assert site.post("/api/token/blacklist/", {"refresh": token}).status_code == 200

    written = [query["sql"] for query in queries if query["sql"].startswith(("UPDATE", "INSERT", "DELETE"))]
    assert "bridge_grant" in written[0]
    assert any("token_blacklist_blacklistedtoken" in sql for sql in written)


def test_logging_out_with_a_token_that_has_begun_no_login_keeps_it_from_that(
    site: Client, ada: User, settings: Settings
):
    token = str(RefreshToken.for_user(ada))
    settings.INSTALLED_APPS = [each for each in settings.INSTALLED_APPS if not each.endswith("token_blacklist")]

    assert site.post("/api/token/blacklist/", {"refresh": token}).status_code == 200

    assert is_refused(refresh(site, token))
    assert not Grant.objects.filter(ended_at=None).exists()


def test_logging_out_with_what_can_be_no_grants_name_spends_the_token(site: Client, ada: User):
    token = RefreshToken.for_user(ada)
    token["sid"] = "nul\0"

    assert site.post("/api/token/blacklist/", {"refresh": str(token)}).status_code == 200
    assert spent() == {token["jti"]}
