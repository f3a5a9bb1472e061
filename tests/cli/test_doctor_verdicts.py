"""``bridge doctor`` says that something is fine only where it has looked, and knows older secret keys."""

import json
from typing import Any, Final

import pytest
from django.contrib.auth.hashers import make_password

from bridge.profile import fingerprint
from tests.cli.conftest import Done, Run
from tests.conftest import PASSWORD
from tests.web.test_auto_rehash import Site, site

__all__ = ["site"]

OLDER: Final = "an older secret key, which sessions and links of the site still carry"
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


def verdicts(done: Done) -> dict[str, Any]:
    return {each["code"]: each["ok"] for each in json.loads(done.stdout)["checks"]}


UNSEEN: Final = ("clock-skew", "ping-pong", "usernames-differ-by-case", "usernames-not-nfkc")


async def test_where_the_user_table_is_missing_what_it_would_tell_is_neither_fine_nor_wrong(
    run: Run, site: Site, service_url: str
):
    await site.profile.edit(lambda document: document["user_table"].update(name="somewhere_else"))

    done = run("doctor", "--json", url=service_url)

    found = verdicts(done)
    assert (done.returncode, found["user-table-differs"]) == (1, False), done.stderr
    unseen = (*UNSEEN, "tables-missing", "privileges-missing")
    assert {code: found[code] for code in unseen} == dict.fromkeys(unseen)


async def test_where_the_site_has_not_been_migrated_since_an_upgrade_no_rights_are_asked_for(
    run: Run, site: Site, service_url: str
):
    await site.cast.database.execute("DROP TABLE bridge_census_snapshot")

    done = run("doctor", "--json", url=service_url)

    found = {each["code"]: each for each in json.loads(done.stdout)["checks"]}
    told = found["tables-missing"]
    assert (done.returncode, told["ok"], found["privileges-missing"]["ok"]) == (1, False, None), done.stderr
    assert told["message"].endswith(": bridge_census_snapshot")
    assert "python manage.py migrate" in told["cure"]


@on_postgresql
async def test_where_rights_are_missing_what_they_would_show_is_neither_fine_nor_wrong(
    run: Run, site: Site, service_url: str
):
    site.revoke("SELECT", "auth_user")

    done = run("doctor", "--json", url=service_url)

    found = verdicts(done)
    assert (done.returncode, found["user-table-differs"], found["privileges-missing"]) == (1, True, False), done.stderr
    assert {code: found[code] for code in UNSEEN} == dict.fromkeys(UNSEEN)


@on_sqlite
@pytest.mark.parametrize(
    ("held", "ok"),
    [(None, False), (json.dumps([OLDER]), True), (json.dumps(["some third key, " * 3]), False)],
    ids=["none", "the_sites", "another"],
)
async def test_a_secret_key_that_the_site_falls_back_to_must_be_known_here(
    run: Run, site: Site, service_url: str, held: str | None, *, ok: bool
):
    told = [fingerprint(OLDER)]
    await site.profile.edit(lambda document: document.update(secret_key_fallback_fingerprints=told))

    done = run("doctor", "--json", url=service_url, BRIDGE_DJANGO_SECRET_KEY_FALLBACKS=held)

    assert (done.returncode, verdicts(done)["secret-key-differs"]) == (0 if ok else 1, ok), done.stderr


async def test_wrapped_passwords_without_their_hasher_are_found_whose_users_can_log_in_nowhere(
    run: Run, site: Site, service_url: str
):
    for hasher in ("argon2_md5", "argon2_pbkdf2_sha256"):
        await site.cast.add(hasher, encoded=make_password(PASSWORD, hasher=hasher))
    fine = run("doctor", "--json", url=service_url)
    await site.profile.edit(
        lambda document: document.update(
            hashers=[each for each in document["hashers"] if each["algorithm"] != "argon2_md5"]
        )
    )

    found = run("doctor", "--json", url=service_url)

    assert (verdicts(fine)["wrapped-unlisted"], verdicts(found)["wrapped-unlisted"]) == (True, False)
    assert found.returncode == fine.returncode
    (message,) = (each["message"] for each in json.loads(found.stdout)["checks"] if each["code"] == "wrapped-unlisted")
    assert message.endswith(": argon2_md5")
