"""Where the tests keep their databases: in memory, where the machine has room for them there.

Nearly every test makes a database of its own, and nobody misses one after a power cut.
"""

import os
import shutil
from pathlib import Path
from typing import Final

__all__ = ["fast_folder", "keep_temporary_files_there"]

_SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108  # what is made there has names of its own, as below /tmp
_ENOUGH: Final = 4 * 1024**3
"""Containers often have 64 MB there; a worker's databases take tens."""


def fast_folder() -> Path | None:
    """Give a folder in memory; None for wherever temporary files go."""
    if not os.access(_SHARED_MEMORY, os.W_OK) or shutil.disk_usage(_SHARED_MEMORY).free < _ENOUGH:
        return None
    return _SHARED_MEMORY


def keep_temporary_files_there() -> None:
    """Let pytest's ``tmp_path`` be in that folder, unless somebody has said where."""
    folder = fast_folder()
    if folder is not None:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(folder))
