"""Which device of django-otp a session was verified by, and whether it is still the user's."""

import pytest

from bridge.profile import DjangoOtpProfile, SecondFactorProfile, UserTable
from bridge.store.database import Database
from bridge.store.second_factors import SecondFactorOwners
from bridge.store.users import Users
from tests.conftest import Cast


@pytest.fixture
async def owners(database: Database) -> SecondFactorOwners:
    for table in ("otp_totp_totpdevice", "otp_static_staticdevice"):
        await database.execute(f"CREATE TABLE {table} (id integer, user_id integer, confirmed boolean)")
    profile = SecondFactorProfile(otp=DjangoOtpProfile(totp=True, static=True))
    return SecondFactorOwners(database, Users(database, UserTable()), profile)


@pytest.mark.parametrize(
    ("persistent_id", "is_theirs"),
    [
        ("otp_totp.totpdevice/7", True),
        ("otp_totp.totpdevice/8", False),
        ("otp_totp.totpdevice/9", False),
        ("otp_totp.totpdevice/99", False),
        ("otp_static.staticdevice/7", False),
        ("otp_email.emaildevice/7", False),
        ("otp_totp.totpdevice/7 OR 1=1", False),
        ("otp_totp.totpdevice/" + "9" * 400, False),
        ("otp_totp.totpdevice/\u0667", False),
        ("/7", False),
        ("", False),
    ],
)
async def test_a_device_counts_while_it_is_confirmed_and_the_users(
    owners: SecondFactorOwners,
    cast: Cast,
    persistent_id: str,
    is_theirs: bool,  # noqa: FBT001
):
    ada, grace = await cast.add("ada"), await cast.add("grace")
    for number, user, confirmed in ((7, ada, True), (8, ada, False), (9, grace, True)):
        await cast.database.execute(
            "INSERT INTO otp_totp_totpdevice VALUES (:id, :user, :confirmed)",
            {"id": number, "user": user, "confirmed": confirmed},
        )

    assert await owners.has_device(str(ada), persistent_id) is is_theirs
    assert await owners.has_otp(str(ada))
