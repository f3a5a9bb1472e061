"""What is kept of the endpoints that move; operations are named by their shape (``bridge.cutover.Operation``)."""

from django.db import models

__all__ = ["EndpointChange", "EndpointDifference", "EndpointParity", "EndpointStage", "EndpointTraffic"]


class EndpointStage(models.Model):
    """The stage in force for an operation (``bridge.cutover.Standing``); one that was never moved has no row."""

    operation = models.CharField(max_length=255, primary_key=True)
    stage = models.CharField(max_length=16)
    share = models.PositiveIntegerField(default=0)
    is_tripped = models.BooleanField(default=False)
    version = models.BigIntegerField()
    actor = models.CharField(max_length=255)
    reason = models.CharField(max_length=1024, blank=True)
    changed_at = models.DateTimeField()

    class Meta:
        """One row an operation, by its shape."""

        db_table = "bridge_endpoint_stage"
        verbose_name = "endpoint stage"

    def __str__(self) -> str:
        return f"{self.operation}: {self.stage}"


class EndpointChange(models.Model):
    """That an operation moved, who moved it and why. Rows are added and never changed."""

    version = models.BigIntegerField(primary_key=True)
    operation = models.CharField(max_length=255)
    old_stage = models.CharField(max_length=16)
    old_share = models.PositiveIntegerField()
    stage = models.CharField(max_length=16)
    share = models.PositiveIntegerField()
    is_tripped = models.BooleanField()
    actor = models.CharField(max_length=255)
    reason = models.CharField(max_length=1024, blank=True)
    changed_at = models.DateTimeField()

    class Meta:
        """In the order in which they came into force: the version is the next whole number, across all operations."""

        db_table = "bridge_endpoint_change"
        verbose_name = "endpoint change"

    def __str__(self) -> str:
        return f"{self.version}: {self.operation} {self.old_stage} -> {self.stage}"


class EndpointTraffic(models.Model):
    """How many requests one app answered within an hour, by kind of user, class of status and latency.

    ``side`` is one of ``bridge.cutover.Side``; followed by ``shadow`` where the answer was only compared, and no client
    got it. ``le_ms`` is the upper bound of the latency in milliseconds, one of ``bridge.cutover.latency.BOUNDS``.
    """

    hour = models.DateTimeField()
    operation = models.CharField(max_length=255)
    side = models.CharField(max_length=16)
    role = models.CharField(max_length=16)
    status_class = models.PositiveSmallIntegerField()
    le_ms = models.PositiveIntegerField()
    count = models.BigIntegerField()

    class Meta:
        """Added up by every replica."""

        db_table = "bridge_endpoint_traffic"
        verbose_name_plural = "endpoint traffic"
        constraints = [
            models.UniqueConstraint(
                fields=["hour", "operation", "side", "role", "status_class", "le_ms"], name="bridge_traffic_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H} {self.operation} {self.side}: {self.count}"


class EndpointParity(models.Model):
    """How often the answers of both apps were compared on a day, and what came of it (``bridge.cutover.Verdict``)."""

    day = models.DateField()
    operation = models.CharField(max_length=255)
    role = models.CharField(max_length=16)
    status = models.PositiveSmallIntegerField()
    verdict = models.CharField(max_length=16)
    count = models.BigIntegerField()

    class Meta:
        """Added up by every replica; the status is Django's."""

        db_table = "bridge_endpoint_parity"
        verbose_name_plural = "endpoint parity"
        constraints = [
            models.UniqueConstraint(fields=["day", "operation", "role", "status", "verdict"], name="bridge_parity_once")
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.operation} {self.verdict}: {self.count}"


class EndpointDifference(models.Model):
    """Where the answers of both apps differ: the place, the types and digests; values only where the plan asks."""

    operation = models.CharField(max_length=255)
    place = models.CharField(max_length=255)
    kind = models.CharField(max_length=32)
    legacy = models.CharField(max_length=64)
    candidate = models.CharField(max_length=64)
    count = models.BigIntegerField()
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()
    legacy_digest = models.CharField(max_length=64, blank=True)
    candidate_digest = models.CharField(max_length=64, blank=True)
    sample = models.TextField(blank=True)
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        """One row for all differences of a kind at a place; the digests and the sample are of the last one."""

        db_table = "bridge_endpoint_difference"
        verbose_name = "endpoint difference"
        constraints = [
            models.UniqueConstraint(
                fields=["operation", "place", "kind", "legacy", "candidate"], name="bridge_difference_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.operation} {self.place}: {self.kind}"
