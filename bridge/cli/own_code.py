"""Lets a command import what the team wrote."""

import sys

__all__ = ["see_own_code"]


def see_own_code() -> None:
    """Let modules of the working directory be imported, as uvicorn does: routers, and a site that runs in this process.

    For commands that name such modules alone: what lies about in a directory is no part of the others.
    """
    if "" not in sys.path:
        sys.path.insert(0, "")
