"""Users that are not Django's."""

import uuid

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models

__all__ = ["Customer", "HiddenOnceDeleted", "OwnPasswordCheck", "OwnSessionHash", "Subscriber"]


class Customer(AbstractUser):
    """Stock but for its table and key."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, db_column="customer_id")

    class Meta:
        db_table = "crm_customer"


class Subscriber(AbstractBaseUser):
    """Little more than an address, which is its key."""

    email = models.EmailField(primary_key=True)
    is_active = models.BooleanField(default=True, db_column="enabled")

    USERNAME_FIELD = "email"


class OwnSessionHash(AbstractUser):
    """Derives session hashes in a way of its own."""

    groups = None  # type: ignore[assignment]  # two models may not share the reverse names
    user_permissions = None  # type: ignore[assignment]  # likewise

    def get_session_auth_hash(self) -> str:
        return "own"


class OwnPasswordCheck(AbstractUser):
    """Checks passwords in a way of its own."""

    groups = None  # type: ignore[assignment]  # two models may not share the reverse names
    user_permissions = None  # type: ignore[assignment]  # likewise

    def check_password(self, raw_password: str | None) -> bool:
        return super().check_password(raw_password)


class _Living(UserManager["HiddenOnceDeleted"]):
    """Hides whom the site has deleted."""

    def get_queryset(self) -> models.QuerySet["HiddenOnceDeleted"]:
        return super().get_queryset().filter(deleted_at=None)


class HiddenOnceDeleted(AbstractUser):
    """Keeps the rows of users who are gone."""

    groups = None  # type: ignore[assignment]  # two models may not share the reverse names
    user_permissions = None  # type: ignore[assignment]  # likewise
    deleted_at = models.DateTimeField(null=True)

    objects = _Living()
