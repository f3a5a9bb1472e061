"""``manage.py bridge_profile``: tell the bridge about this site."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from bridge.contrib.django.describing import describe_site
from bridge.contrib.django.publishing import as_json, publish_profile

__all__ = ["Command"]


class Command(BaseCommand):
    """Publishes the site profile; ``migrate`` does the same."""

    requires_system_checks: list[str] = []  # an unsafe site above all must be able to say so
    help = "Publish what the bridge must know about this site: user table, hashers, validators. No secrets."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take ``--dry-run``."""
        parser.add_argument("--dry-run", action="store_true", help="Print the profile and write nothing.")

    def handle(self, *_: Any, **options: Any) -> None:
        """Write the profile, or print it."""
        if options["dry_run"]:
            self.stdout.write(as_json(describe_site()))
            return
        profile = publish_profile()
        self.stdout.write(self.style.SUCCESS(f"Published the profile of {profile.user_table.name}."))
        for found in profile.findings():
            self.stdout.write(self.style.WARNING(f"{found.code}: {found.message}. {found.cure}"))
