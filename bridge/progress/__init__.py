"""How far the upgrade is. Pure: counts in, figures out."""

from bridge.progress.report import ActivityCount, AlgorithmCount, MigrationReport

__all__ = ["ActivityCount", "AlgorithmCount", "MigrationReport"]
