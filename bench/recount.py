"""The census once more, otherwise: row by row in Python, by patterns, in memory that does not grow with the table."""

import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from bridge.progress.census import Census, CensusRow, Cohort
from bridge.progress.forecast import LastSeen
from bridge.store.database import Database, Row

__all__ = ["differences"]

_BATCH: Final = 20_000
_MOST_COSTS: Final = 32
_COST: Final = r"(?:\$(?P<cost>[0-9]{0,32})(?:\$.*)?)?"
_BCRYPT: Final = r"\$(?:\$2[ab]\$(?P<cost>[0-9]{0,32})(?:\$.*)?)?"
_ANY_OTHER: Final = (
    r"(?P<name>(?:argon2_)?(?:pbkdf2_sha256|pbkdf2_sha1|md5|sha1|unsalted_md5|unsalted_sha1)"
    r"|argon2|bcrypt_sha256|bcrypt|scrypt|crypt)(?:\$.*)?"
)
_NAMED: Final = tuple(
    (re.compile(pattern, re.DOTALL), algorithm)
    for pattern, algorithm in (
        (r"!.*", "unusable"),
        (r"[^$]{32}|md5\$\$.{32}", "unsalted_md5"),
        (r"sha1\$\$.{40}", "unsalted_sha1"),
        (r"argon2\$argon2id\$v=19\$(?P<cost>[mtp=,0-9]{0,32})(?:\$.*)?", "argon2"),
        *(
            (name + _COST, name)
            for name in ("pbkdf2_sha256", "pbkdf2_sha1", "scrypt", "argon2_pbkdf2_sha256", "argon2_pbkdf2_sha1")
        ),
        *((name + _BCRYPT, name) for name in ("bcrypt_sha256", "bcrypt")),
        (
            _ANY_OTHER,
            "",
        ),
    )
)
_KINDS: Final = tuple(
    (re.compile(pattern, re.DOTALL), kind)
    for pattern, kind in (
        (r"", "empty"),
        (r"\$2.*", "bare_bcrypt"),
        (r"\$argon2.*", "bare_argon2"),
        (r"\$.*", "modular_crypt"),
        (r"\{.*", "ldap"),
        (r"(?=.{40})(?P<name>[a-z0-9_]{2,32})\$[^$]*\$.*", ""),
        (r".*", "other"),
    )
)


async def differences(database: Database, counted: Census, last_seen: Mapping[int, LastSeen], *, now: datetime) -> int:
    """Count the users that a census puts elsewhere, or leaves out, of the table ``auth_user``."""
    census, seen = await _recount(database, now)
    found: Counter[Any] = Counter(dict(counted.rows))
    ages: Counter[Any] = Counter()
    for age, accounts in last_seen.items():
        ages[age, True], ages[age, False] = accounts.upgraded, accounts.waiting
    return _apart(found, census) + _apart(ages, seen)


def _apart(one: Counter[Any], other: Counter[Any]) -> int:
    return max((one - other).total(), (other - one).total())


async def _recount(database: Database, now: datetime) -> tuple[Counter[CensusRow], Counter[tuple[int, bool]]]:
    rows: Counter[CensusRow] = Counter()
    seen: Counter[tuple[int, bool]] = Counter()
    async for user in _every_user(database):
        algorithm, cost = _name(user["password"])
        away = _away(user["last_login"], now)
        is_active, is_staff = bool(user["is_active"]), bool(user["is_staff"] or user["is_superuser"])
        rows[CensusRow(algorithm, cost, _cohort(away), is_active=is_active, is_staff=is_staff)] += 1
        if is_active and away is not None and away < timedelta(days=365) and algorithm not in ("unusable", "unknown"):
            seen[max(away, timedelta(0)).days, algorithm == "argon2"] += 1
    return _rare_costs_together(rows), seen


async def _every_user(database: Database) -> AsyncIterator[Row]:
    last = -1
    while batch := await database.fetch_all(
        "SELECT id, password, last_login, is_active, is_staff, is_superuser FROM auth_user WHERE id > :last"
        " ORDER BY id LIMIT :batch",
        {"last": last, "batch": _BATCH},
    ):
        for user in batch:
            yield user
        last = batch[-1]["id"]


def _name(stored: str | None) -> tuple[str, str]:
    if stored is None:
        return "unknown", "other"
    for pattern, algorithm in _NAMED:
        if found := pattern.fullmatch(stored):
            groups = found.groupdict()
            return algorithm or groups["name"], groups.get("cost") or ""
    for pattern, kind in _KINDS:
        if found := pattern.fullmatch(stored):
            return "unknown", kind or found["name"]
    raise AssertionError


def _away(last_login: datetime | str | None, now: datetime) -> timedelta | None:
    if isinstance(last_login, str):
        last_login = datetime.fromisoformat(last_login).replace(tzinfo=now.tzinfo)
    return None if last_login is None else now - last_login


def _cohort(away: timedelta | None) -> Cohort:
    if away is None:
        return Cohort.NEVER
    for days, cohort in ((7, Cohort.WEEK), (30, Cohort.MONTH), (90, Cohort.QUARTER), (365, Cohort.YEAR)):
        if away <= timedelta(days=days):
            return cohort
    return Cohort.OLDER


def _rare_costs_together(rows: Counter[CensusRow]) -> Counter[CensusRow]:
    users: Counter[tuple[str, str]] = Counter()
    for row, count in rows.items():
        users[row.algorithm, row.cost] += count
    ranked = sorted(users, key=lambda each: (each[0], -users[each], each[1]))
    rank = {each: place - next(i for i, e in enumerate(ranked) if e[0] == each[0]) for place, each in enumerate(ranked)}
    together: Counter[CensusRow] = Counter()
    for row, count in rows.items():
        cost = row.cost if rank[row.algorithm, row.cost] < _MOST_COSTS else "other"
        together[CensusRow(row.algorithm, cost, row.cohort, is_active=row.is_active, is_staff=row.is_staff)] += count
    return together
