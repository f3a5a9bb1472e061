"""Who belongs to the club."""

import uuid
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.utils import timezone

__all__ = ["Member", "MemberManager"]


class MemberManager(BaseUserManager["Member"]):
    """Creates members as ``createsuperuser`` and the tests ask for it."""

    def create_user(self, email: str, password: str | None = None, **more: Any) -> "Member":
        member = self.model(email=self.normalize_email(email), **more)
        member.set_password(password)
        member.save(using=self._db)
        return member

    def create_superuser(self, email: str, password: str | None = None, **more: Any) -> "Member":
        return self.create_user(email, password, is_staff=True, is_superuser=True, **more)


class Member(AbstractBaseUser, PermissionsMixin):
    """Neither a number for a key nor a username nor a name in two parts."""

    uid = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False, db_column="member_uid")
    email = models.EmailField(unique=True)
    nickname = models.CharField(max_length=40, blank=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    joined_at = models.DateTimeField(default=timezone.now)

    objects = MemberManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        db_table = "club_members"

    def __str__(self) -> str:
        return self.email
