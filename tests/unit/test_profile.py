"""What the Django site tells the bridge about itself, and what follows from it."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.cutover.demands import Demands
from bridge.passwords.parameters import Argon2Parameters
from bridge.profile import (
    SCHEMA_VERSION,
    AllauthMfaProfile,
    AxesProfile,
    BearerProfile,
    CsrfProfile,
    DjangoOtpProfile,
    ForeignDevices,
    HasherProfile,
    LegacyEndpoint,
    Membership,
    SecondFactorProfile,
    SessionProfile,
    SimpleJwtProfile,
    SiteProfile,
    UrlInventory,
    UserTable,
    fingerprint,
)
from bridge.profile.urls import LONGEST_TEXT, MOST_ENDPOINTS

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ARGON2 = HasherProfile("argon2", "django.contrib.auth.hashers.Argon2PasswordHasher")
PBKDF2 = HasherProfile("pbkdf2_sha256", "django.contrib.auth.hashers.PBKDF2PasswordHasher")
BCRYPT = HasherProfile("bcrypt", "django.contrib.auth.hashers.BCryptPasswordHasher", available=False)


def site(*hashers: HasherProfile, **more: Any) -> SiteProfile:
    return SiteProfile(published_at=NOON, django_version="5.2.19", hashers=hashers, **more)


def codes(profile: SiteProfile) -> list[str]:
    return [found.code for found in profile.findings()]


GOOD = site(ARGON2, PBKDF2)

# Its document ---------------------------------------------------------------------------------------------------------

PROFILES = {
    "stock": GOOD,
    "without-hashers": site(),
    "of-a-zone": replace(GOOD, published_at=NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))),
    "full": site(
        replace(ARGON2, parameters={"time_cost": 3, "memory_cost": 64, "parallelism": 1, "salt_length": 22}),
        replace(PBKDF2, reproducible=False),
        BCRYPT,
        user_table=UserTable(
            "people",
            "uid",
            "uuid",
            "email",
            {"email": 254, "password": 255, "last_login": None},
            groups=Membership("people_groups", "person_id", "group_id"),
            permissions=None,
        ),
        login_rules=("people.managers.Living",),
        validators=(
            {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
        ),
        secret_key_fingerprint=fingerprint("secret"),
        bearer=BearerProfile("ES256", ("0123", "4567"), issuer="shop", audience="api"),
        second_factors=SecondFactorProfile(
            otp=DjangoOtpProfile(totp=True, foreign=(ForeignDevices("sms.device", "sms_device"),)),
            allauth=AllauthMfaProfile(totp_digits=8, codes_can_be_verified=False),
            unknown_apps=("trench",),
        ),
        axes=AxesProfile(lockout_parameters=(("username",), ("ip_address", "user_agent")), not_honoured=("why",)),
        sessions=SessionProfile(
            cookie_age=60, engine="sessions.ours", backends=("a.Backend", "b.Backend"), auth_hash_is_stock=False
        ),
        csrf=CsrfProfile(
            trusted_origins=("https://*.example.com",),
            allowed_hosts=(".example.com",),
            secure_proxy_ssl_header=("HTTP_X_FORWARDED_PROTO", "https"),
        ),
        time_zone="Europe/Berlin",
        simple_jwt=SimpleJwtProfile("RS256", issuer="site", audience="shop", header_types=("JWT", "Bearer")),
        urls=UrlInventory(
            (
                LegacyEndpoint((), "/", "/\\Z", "", "shop.views.home", "view", Demands()),
                LegacyEndpoint(
                    ("GET", "POST"),
                    "/orders/{id}/",
                    "",
                    "shop:order",
                    "shop.api.Orders",
                    "drf",
                    Demands(
                        login=None,
                        staff=True,
                        permissions=frozenset({"shop.a", "shop.b"}),
                        groups=frozenset({"editors"}),
                        unknown=("shop.checked",),
                    ),
                    csrf_exempt=True,
                    actions=("list", "create"),
                ),
            ),
            shortcoming="1 patterns could not be described",
        ),
    ),
}


OF_AN_ENDPOINT = {"methods", "template", "regex", "name", "view", "kind", "demands", "csrf_exempt"}


@pytest.mark.parametrize("profile", [pytest.param(each, id=name) for name, each in PROFILES.items()])
def test_a_profile_survives_its_json_document(profile: SiteProfile):
    stored = json.dumps(profile.to_document())

    assert SiteProfile.from_document(json.loads(stored)) == profile


def test_a_document_of_before_the_site_told_of_its_login_is_read():
    document = replace(GOOD, simple_jwt=SimpleJwtProfile(asks_second_factor=True)).to_document()
    del document["simple_jwt"]["asks_second_factor"]

    assert SiteProfile.from_document(document).simple_jwt == SimpleJwtProfile()


def test_a_document_of_before_the_site_told_of_actions_is_read():
    document = PROFILES["full"].to_document()
    del document["urls"]["actions"]

    urls = SiteProfile.from_document(document).urls

    assert [each.actions for each in urls.endpoints] == [(), ()]
    assert [each.name for each in urls.endpoints] == ["", "shop:order"]


@pytest.mark.parametrize(
    "said",
    [None, BearerProfile("RS256", None, issuer="bridge", audience="django")],
    ids=["of-none", "of-keys-that-it-fetches"],
)
def test_a_site_tells_what_its_app_verifies_tokens_by(said: BearerProfile | None):
    assert SiteProfile.from_document(replace(GOOD, bearer=said).to_document()).bearer == said


def test_a_site_of_before_does_not_tell_what_its_app_verifies_tokens_by():
    document = PROFILES["full"].to_document()
    del document["bearer"]

    assert SiteProfile.from_document(document).bearer is None


def test_a_site_of_before_tells_no_login_rules():
    document = PROFILES["full"].to_document()
    del document["login_rules"]

    assert SiteProfile.from_document(document).login_rules == ()


def test_actions_stand_where_a_version_that_does_not_know_them_does_not_look():
    """It reads an endpoint by all that its document says, and refuses what it has no field for."""
    document = PROFILES["full"].to_document()["urls"]

    assert document["actions"] == {"1": ["list", "create"]}
    assert [set(each) - OF_AN_ENDPOINT for each in document["endpoints"]] == [set(), set()]


@pytest.mark.parametrize("actions", [7, {"1": 7}, ["list"]], ids=["number", "number_for_one", "list"])
def test_actions_that_no_site_publishes_are_refused(actions: Any):
    document = PROFILES["full"].to_document()
    document["urls"]["actions"] = actions

    with pytest.raises(ValueError, match="not what a site publishes"):
        SiteProfile.from_document(document)


@pytest.mark.parametrize("version", [0, SCHEMA_VERSION - 1, SCHEMA_VERSION + 1, str(SCHEMA_VERSION), None])
def test_a_document_of_an_unknown_schema_is_refused(version: Any):
    with pytest.raises(ValueError, match="site profile of schema"):
        SiteProfile.from_document(GOOD.to_document() | {"schema_version": version})


def test_a_document_without_a_schema_is_refused():
    with pytest.raises(ValueError, match="site profile of schema None"):
        SiteProfile.from_document({})


def test_a_site_of_two_thousand_endpoints_fits_into_a_row_that_is_read_every_few_seconds():
    demands = Demands(login=True, permissions=frozenset({"shop.change_order"}))
    endpoint = LegacyEndpoint(
        ("GET", "PUT", "PATCH", "DELETE"),
        "/api/customers/{customer_pk}/orders/{pk}/",
        r"/api/customers/(?:[^/.]+)/orders/(?:[^/.]+)/\Z",
        "api:customer-order-detail",
        "shop.api.orders.CustomerOrderViewSet",
        "drf",
        demands,
        csrf_exempt=True,
        actions=("retrieve", "update", "partial_update", "destroy"),
    )

    assert len(json.dumps(UrlInventory((endpoint,) * 2000).to_document())) < 1_000_000


# What makes re-hashing unsafe -----------------------------------------------------------------------------------------


def test_a_site_that_prefers_argon2_is_safe():
    assert codes(GOOD) == []
    assert GOOD.takes_argon2


@pytest.mark.parametrize(
    ("hashers", "code"),
    [
        pytest.param((), "argon2-missing", id="no-hashers"),
        pytest.param((PBKDF2,), "argon2-missing", id="missing"),
        pytest.param((PBKDF2, ARGON2), "argon2-not-first", id="not-first"),
        pytest.param((replace(ARGON2, available=False), PBKDF2), "argon2-not-installed", id="not-installed"),
        pytest.param((replace(ARGON2, reproducible=False),), "argon2-other-parameters", id="not-reproducible"),
    ],
)
def test_a_site_that_would_not_take_or_keep_argon2_is_told_why(hashers: tuple[HasherProfile, ...], code: str):
    assert codes(site(*hashers)) == [code]
    assert not site(*hashers).takes_argon2


def test_everything_that_is_wrong_is_said_at_once():
    broken = site(PBKDF2, replace(ARGON2, available=False))

    assert codes(broken) == ["argon2-not-first", "argon2-not-installed"]


@pytest.mark.parametrize("columns", [{"password": 111}, {"password": 60}, {}], ids=["a-letter-short", "short", "none"])
def test_a_column_that_holds_no_argon2_value_is_found(columns: dict[str, int | None]):
    assert "password-column" in codes(replace(GOOD, user_table=UserTable(columns=columns)))


@pytest.mark.parametrize("length", [112, 128, 255, None], ids=["just", "djangos", "longer", "unlimited"])
def test_a_column_that_holds_an_argon2_value_is_fine(length: int | None):
    assert codes(replace(GOOD, user_table=UserTable(columns={"password": length}, always_active=True))) == []


OTP = SecondFactorProfile(otp=DjangoOtpProfile())
ALLAUTH = SecondFactorProfile(allauth=AllauthMfaProfile())


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"sessions": SessionProfile(auth_hash_is_stock=False)}, "session-hash-custom"),
        ({"sessions": SessionProfile(password_check_is_stock=False)}, "password-check-custom"),
        ({"sessions": SessionProfile(middleware_keeps_keys=False)}, "session-middleware"),
        ({"simple_jwt": SimpleJwtProfile(check_revoke_token=True)}, "check-revoke-token"),
        ({"login_rules": ("shop.managers.Living",)}, "login-rules-custom"),
        ({"second_factors": SecondFactorProfile(unknown_apps=("trench",))}, "second-factor"),
        ({"axes": AxesProfile(not_honoured=("its handler",))}, "second-factor"),
        ({"second_factors": OTP, "simple_jwt": SimpleJwtProfile()}, "simple-jwt-second-factor"),
        ({"second_factors": ALLAUTH, "simple_jwt": SimpleJwtProfile()}, "simple-jwt-second-factor"),
        ({"urls": UrlInventory(shortcoming="ImportError")}, "urls-unlisted"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_ends_sessions_or_tokens_at_a_re_hash_or_was_not_told_is_found(more: dict[str, Any], code: str):
    assert codes(replace(GOOD, **more)) == [code]


ENGINES = "django.contrib.sessions.backends"


@pytest.mark.parametrize(
    ("sessions", "storage", "found"),
    [
        (SessionProfile(), "table", []),
        (SessionProfile(engine=f"{ENGINES}.cached_db"), "table", []),
        (SessionProfile(engine=f"{ENGINES}.signed_cookies"), "cookie", []),
        (SessionProfile(engine=f"{ENGINES}.cache"), None, ["sessions-unreadable"]),
        (SessionProfile(serializer="shop.PickleSerializer"), None, ["sessions-unreadable"]),
        (SessionProfile(in_use=False), None, []),
        (SessionProfile(in_use=False, engine=f"{ENGINES}.cache"), None, []),
    ],
    ids=["db", "cached_db", "signed_cookies", "cache", "pickled", "none", "none_in_the_cache"],
)
def test_sessions_are_read_where_they_can_be(sessions: SessionProfile, storage: str | None, found: list[str]):
    assert (sessions.storage, codes(replace(GOOD, sessions=sessions))) == (storage, found)


@pytest.mark.parametrize(
    ("engine", "found"),
    [("db", []), ("cached_db", ["sessions-outlive-logout"]), ("signed_cookies", ["sessions-outlive-logout"])],
    ids=["db", "cached_db", "signed_cookies"],
)
def test_without_the_apps_middleware_sessions_outlive_a_logout_unless_their_row_is_all(engine: str, found: list[str]):
    sessions = SessionProfile(engine=f"{ENGINES}.{engine}", middleware_ends_sessions=False)

    assert codes(replace(GOOD, sessions=sessions)) == found
    assert codes(replace(GOOD, sessions=replace(sessions, in_use=False))) == []


@pytest.mark.parametrize(
    ("sessions", "named"),
    [
        (SessionProfile(engine="redis_sessions.session"), "SESSION_ENGINE is redis_sessions.session"),
        (SessionProfile(serializer="shop.PickleSerializer"), "SESSION_SERIALIZER is shop.PickleSerializer"),
    ],
    ids=["engine", "serializer"],
)
def test_the_setting_that_hides_sessions_is_named_and_does_not_stop_re_hashing(sessions: SessionProfile, named: str):
    [found] = replace(GOOD, sessions=sessions).findings()

    assert found.message.endswith(named)
    assert not found.blocking


def test_every_finding_has_a_cure():
    worst = replace(
        site(PBKDF2, replace(ARGON2, available=False, reproducible=False)),
        user_table=UserTable(columns={}),
        sessions=SessionProfile(
            engine=f"{ENGINES}.cached_db",
            auth_hash_is_stock=False,
            password_check_is_stock=False,
            middleware_keeps_keys=False,
            middleware_ends_sessions=False,
        ),
        simple_jwt=SimpleJwtProfile(check_revoke_token=True),
    )

    assert len(worst.findings()) == 10
    assert all(found.message and found.cure for found in worst.findings())


# What the bridge configures itself with -------------------------------------------------------------------------------


def test_only_algorithms_whose_library_is_installed_are_accepted():
    assert site(ARGON2, PBKDF2, BCRYPT).accepted_algorithms == {"argon2", "pbkdf2_sha256"}


def test_the_argon2_parameters_are_the_sites():
    parameters = {"time_cost": 3, "memory_cost": 64, "parallelism": 1, "salt_length": 11}

    assert site(PBKDF2, replace(ARGON2, parameters=parameters)).argon2_parameters == Argon2Parameters(3, 64, 1, 11)


def test_the_argon2_parameters_are_stock_djangos_where_the_site_lists_none():
    assert site(PBKDF2).argon2_parameters == Argon2Parameters()


# Fingerprints ---------------------------------------------------------------------------------------------------------


def test_a_fingerprint_does_not_change_between_releases():
    assert fingerprint("secret") == "30a0d5b463980b82"


@given(st.text(), st.text())
@settings(deadline=None, derandomize=True, database=None)
def test_equal_secrets_have_equal_fingerprints_and_others_do_not(one: str, other: str):
    assert (fingerprint(one) == fingerprint(other)) == (one == other)


@given(st.text(min_size=1))
@settings(deadline=None, derandomize=True, database=None)
def test_a_fingerprint_is_sixteen_hex_digits_and_does_not_tell_the_secret(secret: str):
    shown = fingerprint(secret)

    assert len(shown) == 16
    assert set(shown) <= set("0123456789abcdef")
    assert len(secret) < 4 or secret not in shown


HOME = {
    "methods": [],
    "template": "/",
    "regex": "/",
    "name": "",
    "view": "shop.views.home",
    "kind": "view",
}


@pytest.mark.parametrize(
    "broken",
    [
        {"time_zone": "Nowhere/Land"},
        {"user_table": {"columns": None}},
        {"hashers": [{"algorithm": "argon2", "path": "argon2", "parameters": {"rounds": 12}}]},
        {"hashers": None},
        {"published_at": "yesterday"},
        {"second_factors": {"otp": {}}},
        {"axes": {"enabled": True}},
        {"urls": None},
        {"urls": {"endpoints": [{}], "shortcoming": ""}},
        {"urls": {"endpoints": [{**HOME, "regex": "x" * (LONGEST_TEXT + 1)}], "shortcoming": ""}},
        {"urls": {"endpoints": [{**HOME, "demands": {"luck": True}}], "shortcoming": ""}},
        {"urls": {"endpoints": [HOME] * (MOST_ENDPOINTS + 1), "shortcoming": ""}},
    ],
    ids=[
        "zone",
        "columns",
        "parameters",
        "hashers",
        "moment",
        "otp",
        "axes",
        "urls",
        "endpoint",
        "long_expression",
        "demands",
        "too_many_endpoints",
    ],
)
def test_a_document_that_no_site_publishes_is_refused_as_a_whole(broken: dict[str, object]):
    with pytest.raises(ValueError, match=r"."):
        SiteProfile.from_document(GOOD.to_document() | broken)


# Second factors and lockout -------------------------------------------------------------------------------------------


def test_what_is_honoured_is_no_finding():
    honoured = SecondFactorProfile(otp=DjangoOtpProfile(totp=True, static=True), allauth=AllauthMfaProfile())

    assert codes(replace(GOOD, second_factors=honoured, axes=AxesProfile())) == []


@pytest.mark.parametrize("simple_jwt", [SimpleJwtProfile(asks_second_factor=True), None], ids=["that-asks", "none"])
def test_a_simple_jwt_that_lets_nobody_pass_by_is_no_finding(simple_jwt: SimpleJwtProfile | None):
    assert codes(replace(GOOD, second_factors=OTP, simple_jwt=simple_jwt)) == []


def test_a_login_that_asks_for_no_second_factor_holds_no_upgrade_up():
    (found,) = replace(GOOD, second_factors=OTP, simple_jwt=SimpleJwtProfile()).findings()

    assert not found.blocking


def test_a_lockout_that_is_switched_off_is_no_finding():
    assert codes(replace(GOOD, axes=AxesProfile(enabled=False, not_honoured=("its handler",)))) == []


def test_everything_that_cannot_be_honoured_is_in_one_finding():
    (found,) = [each for each in PROFILES["full"].findings() if each.code == "second-factor"]

    assert all(word in found.message for word in ("sms.device", "allauth", "trench", "axes", "why"))


def test_nothing_but_a_clients_username_address_or_browser_is_counted():
    document = replace(GOOD, axes=AxesProfile(lockout_parameters=(("1 = 1 OR username",),))).to_document()

    with pytest.raises(ValueError, match="not what a site publishes"):
        SiteProfile.from_document(document)
