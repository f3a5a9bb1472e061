"""The ``bridge`` command."""

import sys

__all__ = ["main"]

_INTERRUPTED = 130
"""What typer exits with, too, once it is there."""


def main() -> None:
    """Run the command line, or say what to install for it."""
    try:
        from bridge.cli import run  # noqa: PLC0415  # typer comes with [server] only
    except ModuleNotFoundError as exc:
        if (exc.name or "").startswith("bridge"):
            raise
        sys.exit(f"bridge: {exc.name} is not installed. Run `pip install 'django-migration-bridge[server]'`.")
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    run()


if __name__ == "__main__":
    main()
