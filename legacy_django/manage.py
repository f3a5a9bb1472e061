#!/usr/bin/env python
"""Run a management command of the shop, from any folder."""

import os
import sys
from pathlib import Path


def main() -> None:
    """Run the command that `sys.argv` names."""
    _import_from_checkout()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "legacy_django.settings")
    from django.core.exceptions import ImproperlyConfigured  # noqa: PLC0415 - importable only from here on
    from django.core.management import execute_from_command_line  # noqa: PLC0415

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as exc:
        sys.exit(f"manage.py: {exc}")
    except KeyboardInterrupt:
        sys.exit(130)


def _import_from_checkout() -> None:
    """Import `legacy_django` as a package, and never its modules by their bare names."""
    folder = Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if not entry or Path(entry).resolve() != folder]
    sys.path.insert(0, str(folder.parent))


if __name__ == "__main__":
    main()
