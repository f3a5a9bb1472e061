"""``manage.py bridge_report``: how far the upgrade is, as the bridge last counted."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from bridge.contrib.django.kept_report import KeptReport

__all__ = ["Command"]


class Command(BaseCommand):
    """Shows the last snapshot."""

    requires_system_checks: list[str] = []  # an unsafe site may look as well
    help = "Show how far the upgrade of passwords is, as the bridge last counted."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take ``--format``."""
        parser.add_argument("--format", choices=("table", "json"), default="table", help="How to show it.")

    def handle(self, *_: Any, **options: Any) -> None:
        """Print it."""
        kept = KeptReport.latest()
        if kept is None:
            raise CommandError("The bridge has not counted yet. Run `bridge report --snapshot`, or `bridge serve`.")
        if options["format"] == "json":
            self.stdout.write(json.dumps(kept.document, indent=2))
            return
        self.stdout.write(f"Passwords as of {kept.taken_at:%Y-%m-%d %H:%M} UTC")
        for algorithm, users, share in kept.algorithms:
            self.stdout.write(f"  {algorithm:16} {users:>12,} {share:>7}")
        self.stdout.write("By last login: usable, upgraded")
        for cohort, usable, upgraded in kept.cohorts:
            self.stdout.write(f"  {cohort:16} {usable:>12,} {upgraded:>12,}")
        for share, when in kept.forecast:
            self.stdout.write(f"{share} of active accounts: {when}")
        self.stdout.write(f"{kept.summary}.")
