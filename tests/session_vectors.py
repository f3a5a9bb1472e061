"""Sessions that real Djangos wrote (``vectors/sessions.json``)."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pytest

__all__ = ["ENCODED", "SECRET_KEY", "USER_ID", "VECTORS", "SessionVector", "each_vector"]

_DOCUMENT: Final = json.loads(Path(__file__).with_name("vectors").joinpath("sessions.json").read_text())

SECRET_KEY: Final[str] = _DOCUMENT["secret_key"]
USER_ID: Final[int] = _DOCUMENT["user"]["id"]
ENCODED: Final[str] = _DOCUMENT["user"]["encoded"]
"""What the site stores for ``tests.conftest.PASSWORD``."""


@dataclass(frozen=True)
class SessionVector:
    """What one Django wrote for a user who had just logged in.

    Attributes:
        django: its version, with the algorithm that it was told to use.
        session_key: None where the cookie is the session.
        stored: the row's data, or the cookie's value.
        csrf_token: what a form of the site held then.
        auth_hash: as that Django derives it from ``ENCODED``.
    """

    django: str
    engine: str
    compressed: bool
    session_key: str | None
    stored: str
    content: Mapping[str, Any]
    csrf_token: str
    auth_hash: str
    written_at: datetime

    @property
    def cookie(self) -> str:
        return self.session_key or self.stored

    @property
    def carries_sha1(self) -> bool:
        return len(self.auth_hash) == 40

    def __str__(self) -> str:
        return f"{self.django}-{self.engine}-{'compressed' if self.compressed else 'plain'}"


VECTORS: Final = tuple(
    SessionVector(
        django=django,
        auth_hash=written["auth_hash"],
        written_at=datetime.fromisoformat(written["written_at"]),
        **vector,
    )
    for django, written in _DOCUMENT["written_by"].items()
    for vector in written["vectors"]
)


def each_vector(wanted: Callable[[SessionVector], bool] = lambda _: True) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", [each for each in VECTORS if wanted(each)], ids=str)
