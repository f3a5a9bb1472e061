"""Django's own upgrade on login, made to write lineage as the bridge's does.

The hook is on the user model's ``check_password``, not an authentication backend: every way to log in passes through it
(the login form, SimpleJWT, the admin, other backends), a wrong password is hashed once and not once a backend, and
sessions keep naming the backend that they always named, so that the app can be removed again.
"""

import logging

from asgiref.sync import sync_to_async
from django.contrib.auth import hashers
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import DatabaseError, router, transaction
from django.utils import timezone

from bridge.contrib.django.conf import lineage_age, secret_keys
from bridge.contrib.django.counting import count
from bridge.contrib.django.database_errors import kind_of
from bridge.contrib.django.models import PasswordLineage, PasswordUpgrade
from bridge.passwords.encoded import WRAPPED, EncodedPassword
from bridge.sessions.lineage import links_between

__all__ = ["has_stock_password_check", "write_lineage_on_upgrade"]

_logger = logging.getLogger(__name__)


def has_stock_password_check(model: type[AbstractBaseUser]) -> bool:
    """Tell whether the model verifies passwords as ``AbstractBaseUser`` does, or by our hook."""
    return model.check_password in (AbstractBaseUser.check_password, _check_password)


def write_lineage_on_upgrade(model: type[AbstractBaseUser]) -> None:
    """Replace the stock ``check_password`` by one whose upgrade keeps the user's other sessions alive."""
    if not has_stock_password_check(model):
        return
    model.check_password = _check_password  # type: ignore[method-assign]
    if hasattr(model, "acheck_password"):
        model.acheck_password = _acheck_password  # type: ignore[method-assign]


def _check_password(self: AbstractBaseUser, raw_password: str | None) -> bool:
    def setter(raw_password: str) -> None:
        _upgrade(self, raw_password)

    return hashers.check_password(raw_password, self.password, setter)


async def _acheck_password(self: AbstractBaseUser, raw_password: str | None) -> bool:
    async def setter(raw_password: str) -> None:
        await sync_to_async(_upgrade)(self, raw_password)

    return await hashers.acheck_password(raw_password, self.password, setter)


def _upgrade(user: AbstractBaseUser, raw_password: str) -> None:
    """Write the new value and its lineage as one. A database that refuses leaves the old value and the login alone."""
    old, new = user.password, hashers.make_password(raw_password)
    try:
        with transaction.atomic(using=_database_of(user)):
            written = _replace(user, old, new)
    except DatabaseError as exc:
        user.password = old
        _logger.warning("password of user %s not upgraded: %s", user.pk, kind_of(exc))
        return
    if written:
        was_upgraded = _algorithm(old) in ("argon2", *WRAPPED)
        count("upgrade_reverted" if was_upgraded and _algorithm(new) != "argon2" else "upgrade_written")


def _algorithm(encoded: str) -> str:
    return EncodedPassword.parse(encoded).algorithm or "unknown"


def _database_of(user: AbstractBaseUser) -> str:
    return router.db_for_write(type(user), instance=user)


def _replace(user: AbstractBaseUser, old: str, new: str) -> bool:
    """Replace the value, provided that the one which was verified is still there."""
    database = _database_of(user)
    rows = type(user)._base_manager.using(database).filter(pk=user.pk, password=old)  # noqa: SLF001  # documented
    if not rows.update(password=new):
        return False
    user.password = new
    # Once more, as stock Django does: the site's own receivers of post_save expect to hear of it.
    user.save(using=database, update_fields=["password"])
    _record(user, old, new, database)
    return True


def _record(user: AbstractBaseUser, old: str, new: str, database: str) -> None:
    now = timezone.now()
    user_id = str(user.pk)
    expires_at = now + lineage_age()
    lineage = PasswordLineage.objects.using(database)
    for link in links_between(old, new, user_id=user_id, secrets=secret_keys(), expires_at=expires_at):
        lineage.filter(user_id=user_id, new_digest=link.old_digest).update(new_digest=link.new_digest)
        lineage.update_or_create(
            user_id=user_id,
            old_auth_hash=link.old_auth_hash,
            defaults={"new_digest": link.new_digest, "expires_at": expires_at},
        )
    PasswordUpgrade.objects.using(database).update_or_create(
        user_id=user_id,
        defaults={
            "app": "django",
            "old_algorithm": _algorithm(old),
            "upgraded_at": now,
        },
    )
