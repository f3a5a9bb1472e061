"""Django's own upgrade on login keeps the user's sessions and says so in lineage: bridge.contrib.django.upgrades."""

import asyncio
import hashlib
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from django.apps import apps
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in
from django.core.checks.registry import registry
from django.db import connection
from django.db.models.signals import post_migrate, post_save
from django.dispatch import Signal
from django.http import HttpResponse
from django.test import Client
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from bridge.contrib.django.models import Activity, PasswordLineage, PasswordUpgrade
from bridge.contrib.django.sessions import accept_superseded_hashes
from bridge.contrib.django.upgrades import write_lineage_on_upgrade
from bridge.sessions.auth_hash import session_auth_hash
from bridge.sessions.lineage import lineage_digest
from tests.conftest import PASSWORD, old_hash

HAS_ASYNC_CHECK: Final = hasattr(AbstractBaseUser, "acheck_password")
since_django_5 = pytest.mark.skipif(not HAS_ASYNC_CHECK, reason="Django checks passwords asynchronously since 5.0")
NEW_PASSWORD: Final = "an entirely different set of words"


def unsalted_md5(password: str) -> str:
    return hashlib.md5(password.encode(), usedforsecurity=False).hexdigest()


OLD_VALUES: Final[dict[str, Callable[[str], str]]] = {
    "pbkdf2_sha256": old_hash,
    "md5": lambda password: make_password(password, hasher="md5"),
    "unsalted_md5": unsalted_md5,
}


@pytest.fixture(params=OLD_VALUES.values(), ids=list(OLD_VALUES))
def old(request: pytest.FixtureRequest) -> str:
    """What the column holds before the upgrade."""
    value: str = request.param(PASSWORD)
    return value


@pytest.fixture
def ada() -> User:
    """A user whose stored value is of the time before argon2."""
    return User.objects.create(username="ada", password=old_hash(PASSWORD))


def stored(user: User) -> str:
    return User.objects.get(pk=user.pk).password


def log_in(site: Client, password: str = PASSWORD) -> HttpResponse:
    answer: HttpResponse = site.post("/accounts/login/", {"username": "ada", "password": password})  # type: ignore[assignment]
    return answer


# What is written ------------------------------------------------------------------------------------------------------


def test_a_login_at_the_site_links_the_old_value_to_the_new(site: Client, ada: User, settings: Settings):
    old = ada.password
    log_in(site)

    link = PasswordLineage.objects.get()
    assert stored(ada).startswith("argon2$")
    assert (link.user_id, link.new_digest) == (str(ada.pk), lineage_digest(stored(ada), secret=settings.SECRET_KEY))
    assert link.old_auth_hash == session_auth_hash(old, secret=settings.SECRET_KEY)


def test_the_link_is_of_the_hash_that_sessions_carry(ada: User):
    carried = ada.get_session_auth_hash()
    ada.check_password(PASSWORD)

    assert PasswordLineage.objects.get().old_auth_hash == carried


def test_there_is_a_link_for_each_key_that_sessions_may_be_of(ada: User, settings: Settings):
    settings.SECRET_KEY_FALLBACKS = ["an older secret key, which opened things once"]
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    expected = {session_auth_hash(ada.password, secret=key) for key in keys}
    ada.check_password(PASSWORD)

    assert set(PasswordLineage.objects.values_list("old_auth_hash", flat=True)) == expected


def test_the_upgrade_is_told_to_the_report(
    site: Client, ada: User, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        log_in(site)

    told = PasswordUpgrade.objects.get()
    assert (told.user_id, told.app, told.old_algorithm) == (str(ada.pk), "django", "pbkdf2_sha256")
    assert Activity.objects.get(event="upgrade_written").app == "django"


@pytest.mark.parametrize(
    ("preferred", "event"),
    [
        pytest.param("CheapArgon2PasswordHasher", "upgrade_written", id="unwrapped"),
        pytest.param("CheapPBKDF2PasswordHasher", "upgrade_reverted", id="by_a_site_that_prefers_the_old_algorithm"),
    ],
)
def test_a_wrapped_value_is_upgraded_by_plain_argon2_alone(
    ada: User,
    settings: Settings,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    *,
    preferred: str,
    event: str,
):
    ada.password = make_password(PASSWORD, hasher="argon2_pbkdf2_sha256")
    ada.save()
    settings.PASSWORD_HASHERS = [f"tests.site.hashers.{preferred}", *settings.PASSWORD_HASHERS]

    with django_capture_on_commit_callbacks(execute=True):
        assert ada.check_password(PASSWORD)

    assert PasswordUpgrade.objects.get().old_algorithm == "argon2_pbkdf2_sha256"
    assert list(Activity.objects.values_list("event", flat=True)) == [event]


def everything_written() -> str:
    rows = [*PasswordLineage.objects.values(), *PasswordUpgrade.objects.values(), *Activity.objects.values()]
    return repr(rows)


def test_neither_hash_nor_part_of_one_is_written(old: str):
    ada = User.objects.create(username="ada", password=old)
    assert ada.check_password(PASSWORD)

    parts = {part for value in (old, ada.password) for part in value.split("$") if len(part) > 15}
    assert parts
    assert not [part for part in parts if part in everything_written()]


def test_the_old_value_is_not_named_by_a_digest_that_guesses_could_be_held_against(old: str):
    """An unsalted value is a digest of the password: an unkeyed digest of it would be one too."""
    ada = User.objects.create(username="ada", password=old)
    assert ada.check_password(PASSWORD)

    digests = [hashlib.new(name, old.encode()).hexdigest() for name in ("md5", "sha1", "sha256", "sha512")]
    assert not [digest for digest in digests if digest in everything_written()]


def test_a_second_login_writes_nothing_more(site: Client, ada: User):
    log_in(site)
    value = stored(ada)
    log_in(Client())

    assert stored(ada) == value
    assert PasswordLineage.objects.count() == 1


def test_a_wrong_password_writes_nothing(site: Client, ada: User):
    old = ada.password
    log_in(site, "wrong")

    assert stored(ada) == old
    assert not PasswordLineage.objects.exists()


def test_links_of_earlier_values_are_carried_forward(ada: User, settings: Settings):
    carried = {ada.get_session_auth_hash()}
    ada.check_password(PASSWORD)
    carried.add(ada.get_session_auth_hash())
    settings.PASSWORD_HASHERS = ["tests.contrib.hashers.SaltierArgon2", *settings.PASSWORD_HASHERS]
    ada.check_password(PASSWORD)

    current = PasswordLineage.objects.filter(new_digest=lineage_digest(stored(ada), secret=settings.SECRET_KEY))
    assert set(current.values_list("old_auth_hash", flat=True)) == carried


def test_a_link_is_carried_forward_for_its_own_user_only(ada: User, grace: User, settings: Settings):
    """Unsalted values are the same for the same password; no link of one user is another's."""
    for user in (ada, grace):
        user.password = unsalted_md5(PASSWORD)
        user.save()
        user.check_password(PASSWORD)

    links = {(link.user_id, link.new_digest) for link in PasswordLineage.objects.all()}
    assert links == {(str(user.pk), lineage_digest(stored(user), secret=settings.SECRET_KEY)) for user in (ada, grace)}


# As Django does it ----------------------------------------------------------------------------------------------------


def test_a_password_that_was_changed_meanwhile_is_not_overwritten(ada: User):
    changed = make_password(NEW_PASSWORD)
    User.objects.update(password=changed)

    assert ada.check_password(PASSWORD)  # of the value that it was read with

    assert stored(ada) == changed
    assert not PasswordLineage.objects.exists()
    assert not PasswordUpgrade.objects.exists()


@pytest.fixture
def saved() -> Iterator[list[Any]]:
    """Which fields each save of a user named."""
    heard: list[Any] = []

    def hear(**about: Any) -> None:
        heard.append(about["update_fields"])

    post_save.connect(hear, sender=User)
    yield heard
    post_save.disconnect(hear, sender=User)


def test_receivers_of_post_save_hear_of_the_upgrade(ada: User, saved: list[Any]):
    ada.check_password(PASSWORD)

    assert saved == [frozenset({"password"})]


def test_receivers_of_post_save_hear_nothing_where_nothing_was_written(ada: User, saved: list[Any]):
    User.objects.update(password=make_password(NEW_PASSWORD))
    ada.check_password(PASSWORD)

    assert saved == []


def test_other_columns_are_left_as_they_are_in_the_table(ada: User):
    User.objects.update(email="ada@example.com")
    ada.check_password(PASSWORD)

    assert User.objects.get().email == "ada@example.com"


class HistoryValidator:
    """Keeps passwords as a site that forbids their reuse would."""

    seen: Final[list[str]] = []

    def validate(self, password: str, user: AbstractBaseUser | None = None) -> None:
        """Take any."""

    def password_changed(self, password: str, user: AbstractBaseUser | None = None) -> None:
        self.seen.append(password)


@pytest.fixture
def history(settings: Settings) -> Iterator[list[str]]:
    settings.AUTH_PASSWORD_VALIDATORS = [{"NAME": f"{__name__}.HistoryValidator"}]
    yield HistoryValidator.seen
    HistoryValidator.seen.clear()


def test_validators_do_not_take_an_upgrade_for_a_change(site: Client, ada: User, history: list[str]):
    log_in(site)
    assert stored(ada).startswith("argon2$")
    assert history == []

    ada.set_password(NEW_PASSWORD)
    ada.save()
    assert history == [NEW_PASSWORD]


@since_django_5
@pytest.mark.usefixtures("_queries_off_the_loop")
@pytest.mark.django_db(transaction=True)
async def test_an_upgrade_on_the_event_loop_writes_the_same(settings: Settings):
    ada = await User.objects.acreate(username="ada", password=old_hash(PASSWORD))
    carried = ada.get_session_auth_hash()

    assert await ada.acheck_password(PASSWORD)

    link = await PasswordLineage.objects.aget()
    assert (link.old_auth_hash, link.new_digest) == (carried, lineage_digest(ada.password, secret=settings.SECRET_KEY))


@since_django_5
@pytest.mark.usefixtures("_queries_off_the_loop")
@pytest.mark.django_db(transaction=True)
async def test_of_parallel_upgrades_one_is_written(settings: Settings):
    ada = await User.objects.acreate(username="ada", password=old_hash(PASSWORD))
    copies = [await User.objects.aget(pk=ada.pk) for _ in range(4)]

    assert await asyncio.gather(*(copy.acheck_password(PASSWORD) for copy in copies)) == [True] * 4

    kept = (await User.objects.aget(pk=ada.pk)).password
    assert [copy.password for copy in copies].count(kept) == 1
    assert [link.new_digest async for link in PasswordLineage.objects.all()] == [
        lineage_digest(kept, secret=settings.SECRET_KEY)
    ]


# Where it cannot be written -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", ["bridge_password_lineage", "bridge_password_upgrade"])
def test_a_login_succeeds_where_lineage_cannot_be_written(site: Client, ada: User, table: str):
    """As between the deployment of the app and the site's migrate; the old value then stays."""
    old = ada.password
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {table}")

    assert log_in(site).status_code == 302
    assert stored(ada) == old
    assert site.get("/whoami/").json()["username"] == "ada"


# Models ---------------------------------------------------------------------------------------------------------------


class Guest(AbstractBaseUser):
    """As Django has it."""

    class Meta:
        abstract = True


class WithOwnCheck(AbstractBaseUser):
    """Checks passwords in a way of its own."""

    class Meta:
        abstract = True

    def check_password(self, raw_password: str | None) -> bool:
        return raw_password == "open sesame"


class WithOwnSessionHash(AbstractBaseUser):
    """Lets a user end every session by a counter, say."""

    class Meta:
        abstract = True

    def get_session_auth_hash(self) -> str:
        return "own"


class WithOwnFallback(AbstractBaseUser):
    """Accepts something else besides."""

    class Meta:
        abstract = True

    def get_session_auth_fallback_hash(self) -> Iterator[str]:
        yield "own"


def install_on(model: Any) -> None:
    """What ``ready`` does; Any, since mypy wants models that have a table."""
    accept_superseded_hashes(model)
    write_lineage_on_upgrade(model)


def test_a_stock_model_gets_both_hooks():
    install_on(Guest)

    assert Guest.check_password is not AbstractBaseUser.check_password
    assert not HAS_ASYNC_CHECK or Guest.acheck_password is not AbstractBaseUser.acheck_password
    assert Guest.get_session_auth_fallback_hash is not AbstractBaseUser.get_session_auth_fallback_hash


def test_the_hooks_stay_on_the_one_model():
    install_on(Guest)

    assert AbstractBaseUser.check_password.__module__ == AbstractBaseUser.__module__
    assert not HAS_ASYNC_CHECK or AbstractBaseUser.acheck_password.__module__ == AbstractBaseUser.__module__
    assert AbstractBaseUser.get_session_auth_fallback_hash.__module__ == AbstractBaseUser.__module__


def test_a_models_own_check_of_passwords_is_left_alone():
    own = WithOwnCheck.check_password
    install_on(WithOwnCheck)

    assert WithOwnCheck.check_password is own
    assert not HAS_ASYNC_CHECK or WithOwnCheck.acheck_password is AbstractBaseUser.acheck_password


def test_a_model_with_session_hashes_of_its_own_is_left_alone():
    """Lineage knows the stock hash only: yielding it would let in sessions that the model means to end."""
    install_on(WithOwnSessionHash)

    assert WithOwnSessionHash.get_session_auth_fallback_hash is AbstractBaseUser.get_session_auth_fallback_hash


def test_a_models_own_fallbacks_come_first():
    install_on(WithOwnFallback)
    model: Any = WithOwnFallback
    user = model.__new__(model)

    assert next(iter(user.get_session_auth_fallback_hash())) == "own"


def hooks() -> list[Any]:
    names = ("check_password", "acheck_password", "get_session_auth_fallback_hash")
    return [getattr(User, name, None) for name in names]


def keys_of(signal: Signal) -> set[Any]:
    return {receiver[0] for receiver in signal.receivers}


def test_hooks_are_installed_once_even_if_the_app_gets_ready_twice():
    signals = (user_logged_in, post_migrate)
    before = hooks()
    # By their keys: Django forgets receivers of other tests that are gone just when another is connected.
    receivers, checks = [keys_of(signal) for signal in signals], len(registry.registered_checks)

    apps.get_app_config("bridge").ready()

    assert hooks() == before
    assert all(keys_of(signal) <= known for signal, known in zip(signals, receivers, strict=True))
    assert len(registry.registered_checks) == checks
