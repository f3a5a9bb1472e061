"""The ``bridge_*`` tables. Users are named by their primary key's text form, so that any user model will do."""

from django.db import models

__all__ = ["Activity", "RevokedToken", "SiteProfile"]


class SiteProfile(models.Model):
    """One row: what this site tells the bridge about itself (``bridge.profile.SiteProfile``), as JSON."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    document = models.TextField()
    published_at = models.DateTimeField()

    class Meta:
        db_table = "bridge_site_profile"
        verbose_name = "site profile"

    def __str__(self) -> str:
        return f"published {self.published_at:%Y-%m-%d %H:%M}"


class RevokedToken(models.Model):
    """An access token that was taken back before its time."""

    token_id = models.CharField(max_length=255, primary_key=True)
    user_id = models.CharField(max_length=255)
    expires_at = models.DateTimeField(db_index=True)
    revoked_at = models.DateTimeField()

    class Meta:
        db_table = "bridge_revoked_token"
        verbose_name = "revoked token"

    def __str__(self) -> str:
        return self.token_id


class Activity(models.Model):
    """How often something happened in one app on one day."""

    day = models.DateField()
    app = models.CharField(max_length=16)
    event = models.CharField(max_length=64)
    count = models.BigIntegerField()

    class Meta:
        db_table = "bridge_activity"
        verbose_name_plural = "activity"
        constraints = [models.UniqueConstraint(fields=["day", "app", "event"], name="bridge_activity_once")]

    def __str__(self) -> str:
        return f"{self.day} {self.app} {self.event}: {self.count}"
