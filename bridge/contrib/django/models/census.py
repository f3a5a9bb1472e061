"""What is kept of how far the upgrade was."""

from django.db import models

__all__ = ["CensusSnapshot"]


class CensusSnapshot(models.Model):
    """The last report of a day: the bridge's JSON, and of it what the trend needs.

    ``begun_at`` is set while a replica counts, and its claim to do so.
    """

    day = models.DateField(primary_key=True)
    taken_at = models.DateTimeField(null=True)
    document = models.TextField(blank=True)
    figures = models.TextField(blank=True)
    begun_at = models.DateTimeField(null=True)

    class Meta:
        """One row a day."""

        db_table = "bridge_census_snapshot"
        verbose_name = "password report"

    def __str__(self) -> str:
        return f"{self.day}"
