"""What is kept of users: their logins, and what became of their hashes."""

from django.db import models

__all__ = [
    "Activity",
    "Grant",
    "PasswordLineage",
    "PasswordUpgrade",
    "RehashJournal",
    "RevokedToken",
    "SecondFactor",
    "SiteProfile",
]


class SiteProfile(models.Model):
    """One row: what this site tells the bridge about itself (``bridge.profile.SiteProfile``), as JSON."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    document = models.TextField()
    published_at = models.DateTimeField()

    class Meta:
        """Named as in the architecture, not after the app."""

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
        """Expired rows are found by index."""

        db_table = "bridge_revoked_token"
        verbose_name = "revoked token"

    def __str__(self) -> str:
        return self.token_id


class Grant(models.Model):
    """A login that goes on: its refresh tokens follow each other, and its access tokens name it as ``sid``.

    Only the newest refresh token and the one before are known, by ``jti``; whatever else is signed for the grant was
    spent. ``auth_hash`` is what a session of the same moment would carry, so that a password change ends both alike.
    """

    id = models.CharField(max_length=32, primary_key=True)
    user_id = models.CharField(max_length=255)
    auth_hash = models.CharField(max_length=64)
    current_token_id = models.CharField(max_length=255)
    previous_token_id = models.CharField(max_length=255, null=True)  # noqa: DJ001  # none is not an empty one
    opened_by = models.CharField(max_length=255, null=True, unique=True)  # noqa: DJ001  # a token of the site, if any
    session_key = models.CharField(max_length=40, blank=True)
    scope = models.CharField(max_length=1024, blank=True)
    device = models.CharField(max_length=255, blank=True)
    created_at = models.DateTimeField()
    rotated_at = models.DateTimeField(db_index=True)
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=16, blank=True)

    class Meta:
        """Found by id, by user, by the site's token or session, and by age."""

        db_table = "bridge_grant"
        indexes = [
            models.Index(fields=["user_id"], name="bridge_grant_by_user"),
            models.Index(fields=["session_key"], name="bridge_grant_by_session"),
        ]

    def __str__(self) -> str:
        return f"user {self.user_id} since {self.created_at:%Y-%m-%d}"


class PasswordLineage(models.Model):
    """That sessions of one stored value may go on under another (``bridge.sessions.lineage.LineageLink``)."""

    user_id = models.CharField(max_length=255)
    old_auth_hash = models.CharField(max_length=64)
    new_digest = models.CharField(max_length=64)
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        """Read by user and current value; an old value leads to one new value."""

        db_table = "bridge_password_lineage"
        verbose_name_plural = "password lineage"
        constraints = [models.UniqueConstraint(fields=["user_id", "old_auth_hash"], name="bridge_lineage_once")]
        indexes = [models.Index(fields=["user_id", "new_digest"], name="bridge_lineage_by_value")]

    def __str__(self) -> str:
        return f"user {self.user_id}, until {self.expires_at:%Y-%m-%d}"


class PasswordUpgrade(models.Model):
    """That a user's stored value was upgraded, by which app and from what; the latest time."""

    user_id = models.CharField(max_length=255, primary_key=True)
    app = models.CharField(max_length=16)
    old_algorithm = models.CharField(max_length=32)
    upgraded_at = models.DateTimeField()

    class Meta:
        """One row a user."""

        db_table = "bridge_password_upgrade"
        verbose_name = "password upgrade"

    def __str__(self) -> str:
        return f"user {self.user_id} from {self.old_algorithm}"


class RehashJournal(models.Model):
    """A replaced value, sealed to a key that is not here (``bridge.passwords.journal``)."""

    user_id = models.CharField(max_length=255)
    sealed = models.TextField()
    new_digest = models.CharField(max_length=64)
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        """In the order of writing."""

        db_table = "bridge_rehash_journal"
        verbose_name_plural = "re-hash journal"

    def __str__(self) -> str:
        return f"user {self.user_id}, until {self.expires_at:%Y-%m-%d}"


class SecondFactor(models.Model):
    """What is remembered of a user's one-time codes.

    ``last_step`` is the newest time step that a code of allauth's was used for, in either app; ``failures`` are the
    wrong codes that the bridge has seen since ``failing_since``.
    """

    user_id = models.CharField(max_length=255, primary_key=True)
    last_step = models.BigIntegerField(default=-1)
    failures = models.PositiveIntegerField(default=0)
    failing_since = models.DateTimeField(null=True)

    class Meta:
        """One row a user."""

        db_table = "bridge_second_factor"
        verbose_name = "second factor"

    def __str__(self) -> str:
        return f"user {self.user_id}"


class Activity(models.Model):
    """How often something happened in one app on one day."""

    day = models.DateField()
    app = models.CharField(max_length=16)
    event = models.CharField(max_length=64)
    count = models.BigIntegerField()

    class Meta:
        """One row a day, app and event."""

        db_table = "bridge_activity"
        verbose_name_plural = "activity"
        constraints = [models.UniqueConstraint(fields=["day", "app", "event"], name="bridge_activity_once")]

    def __str__(self) -> str:
        return f"{self.day} {self.app} {self.event}: {self.count}"
