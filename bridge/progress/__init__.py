"""How far the upgrade is. Pure: counts in, figures out."""

from bridge.progress.report import ActivityCount, AlgorithmCount, DailyActivity, MigrationReport

__all__ = ["ActivityCount", "AlgorithmCount", "DailyActivity", "MigrationReport"]
