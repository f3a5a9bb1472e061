"""The app's migrations without the site's help, for ``bridge migrate``."""

from typing import Any

import django
from django.conf import settings
from django.core.management import call_command

__all__ = ["migrate"]


def migrate(database: dict[str, Any], *, verbosity: int = 1) -> None:
    """Create or update the ``bridge_*`` tables; the site's own ``migrate`` then finds them done.

    Args:
        database: an entry of Django's DATABASES.
        verbosity: of Django's ``migrate``.
    """
    settings.configure(
        DATABASES={"default": database},
        INSTALLED_APPS=["bridge.contrib.django"],
        USE_TZ=True,
        SECRET_KEY="unused",  # noqa: S106
    )
    django.setup()
    call_command("migrate", "bridge", verbosity=verbosity, interactive=False)
