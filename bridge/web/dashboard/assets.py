"""Style, script and icon, out of the package and no other host's. Their names change with what is in them."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import PurePath
from types import MappingProxyType
from typing import Final

__all__ = ["Asset", "asset_name", "assets"]

_TYPES: Final = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file."""

    content: bytes
    media_type: str


@lru_cache(maxsize=1)
def assets() -> MappingProxyType[str, Asset]:
    """Give all of them, by the names that browsers ask for."""
    found = {}
    for file in files(__package__).joinpath("static").iterdir():
        suffix = PurePath(file.name).suffix
        if suffix in _TYPES:
            content = file.read_bytes()
            digest = hashlib.sha256(content).hexdigest()[:12]
            found[f"{PurePath(file.name).stem}.{digest}{suffix}"] = Asset(content, _TYPES[suffix])
    return MappingProxyType(found)


def asset_name(name: str) -> str:
    """Give the name by which browsers ask for a file such as ``dashboard.css``."""
    stem, suffix = PurePath(name).stem, PurePath(name).suffix
    return next(each for each in assets() if each.startswith(f"{stem}.") and each.endswith(suffix))
