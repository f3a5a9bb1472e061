"""What commands leave in the audit log, and under whose name."""

import getpass
import logging.config
import os
from typing import Annotated

import typer

from bridge.services.logs import Format, logging_config

__all__ = ["AuditLog", "actor"]


def actor() -> str:
    """Name whoever runs the command."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # a container's user often has no name
        return f"cli:{os.getuid()}"


def _begin(lines: Format | None) -> None:
    if lines is not None:
        logging.config.dictConfig(logging_config(lines))


AuditLog = Annotated[
    Format | None,
    typer.Option(
        callback=_begin, help="Write what the command changes to standard error as well, one line for each change."
    ),
]
