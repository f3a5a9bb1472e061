"""Counts users by kind as SQLite does it fastest: it makes each user a letter of a text, and Python counts those.

To group them SQLite would sort them all, which takes longer than to read them, and to cut algorithm and cost out of
every value takes as long again. So a few users are looked at first: what most values begin with is then told by
comparing alone, with where its range of the column begins and ends. So are algorithms without a cost, looked at or not.
"""

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, NamedTuple

from bridge.errors import SchemaMissing
from bridge.store.database import Database, quoted
from bridge.store.formats import UNSALTED, WITHOUT_COST, head, spans_of

__all__ = ["LetterCount"]

_LOOKED_AT: Final = 150
"""Of the oldest users, and of the newest."""
_MOST_HEADS: Final = 64
_IN_A_TEXT: Final = 100_000
_MOST_TEXTS: Final = 1000
_AT_ONCE: Final = 2
"""Connections that read, each on a thread of its own: two cores count in three fifths of the time."""
_PAGES: Final = 40
"""Of the database that each connection keeps: a pass comes to none of them again, and fresh memory is slow."""
_PLACE: Final = "_rowid_"
"""As SQLite calls a row's place; ``rowid`` as well, which a column of the site's may be called."""
_BREAK: Final = "\n"
"""Around what is no letter."""
# Python counts those below 256 several times faster. None of them means anything within a literal.
_ALPHABET: Final = "".join(map(chr, (*range(0x28, 0x7F), *range(0xA1, 0xD800))))

Kind = tuple[str, int]
"""The head of a password, and a number."""
Numbered = Callable[[Callable[[int], str]], str]
"""Gives the SQL of a user's number, from how each number is to be written."""


class _Part(NamedTuple):
    """Users by their place in the table: the first and the last."""

    first: int
    last: int


class _Range(NamedTuple):
    """Values up to before an end, or to the last; what they are, as SQL; and how many of those looked at."""

    end: str | None
    sql: str
    users: int


@dataclass(frozen=True, slots=True)
class LetterCount:
    """Counts a table's users by the head of their password and a number.

    Attributes:
        database: SQLite.
        table: its name.
        numbered: the number.
        numbers: how many there are, from 0 on.
        timeout: of each statement.
    """

    database: Database
    table: str
    numbered: Numbered
    numbers: int
    timeout: timedelta

    async def count(self, parameters: Mapping[str, Any]) -> Counter[Kind]:
        """Count every user once; the parameters are those of the number.

        Raises:
            DatabaseUnavailable: it takes too long, or the database is away.
        """
        kinds, turn = Counter[Kind](), asyncio.Lock()
        plan: _Plan | None = None

        async def count_parts() -> None:
            nonlocal plan
            async with self._reading():
                async with turn:
                    plan = plan or await self._plan(parameters)
                for part in plan.parts:
                    row = await self.database.fetch_one(plan.statement, {**parameters, **part})
                    kinds.update(await asyncio.to_thread(plan.letters.count, (row and row["letters"]) or ""))

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(_AT_ONCE):
                    group.create_task(count_parts())
        except BaseExceptionGroup as exc:
            first = exc.exceptions[0]
            raise first from first.__cause__
        return kinds

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[None]:
        # SQLite has one connection that writes, and it takes its turns: logins would wait for the pass to end.
        async with self.database.read_only(statement_timeout=self.timeout):
            await self.database.execute(f"PRAGMA cache_size = {_PAGES}")
            yield

    async def _places(self) -> _Part | None:
        """Give the first and the last place that are taken; None of a view, and of a table that knows no places."""
        try:
            row = await self.database.fetch_one(
                f"SELECT (SELECT min({_PLACE}) FROM {quoted(self.table)}) AS first,"
                f" (SELECT max({_PLACE}) FROM {quoted(self.table)}) AS last"
            )
        except SchemaMissing:
            return None
        return _Part(row["first"], row["last"]) if row and row["last"] is not None else None

    async def _plan(self, parameters: Mapping[str, Any]) -> "_Plan":
        places = await self._places()
        seen = await self._seen(places, parameters)
        found: Counter[str] = Counter()
        for (name, _), users in seen.items():
            found[name] += users
        common = {name: users for name, users in found.most_common() if spans_of(name)}
        told = dict(list(common.items())[:_MOST_HEADS]) | {name: found[name] for name in WITHOUT_COST}
        letters = _Letters([*told, *(name for _, name in UNSALTED)], self.numbers, seen)
        return _Plan(self._statement(letters, told, places), letters, _parts(places))

    async def _seen(self, places: _Part | None, parameters: Mapping[str, Any]) -> Counter[Kind]:
        """Look at a few users."""
        orders = (f"ORDER BY {_PLACE}", f"ORDER BY {_PLACE} DESC") if places else ("",)
        # No other column of the site's is touched: one may be made by a function that only Django's connections know.
        ends = (
            f"SELECT {head('sqlite')} AS head, {self.numbered(str)} AS number FROM {quoted(self.table)} {order}"
            f" LIMIT {_LOOKED_AT}"
            for order in orders
        )
        rows = await self.database.fetch_all(
            "SELECT head, number, count(*) AS users FROM"
            f" ({' UNION ALL '.join(f'SELECT * FROM ({end})' for end in ends)}) GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2",
            parameters,
        )
        return Counter({(row["head"], row["number"]): row["users"] for row in rows})

    def _statement(self, letters: "_Letters", told: Mapping[str, int], places: _Part | None) -> str:
        letter = self.numbered(lambda number: f"'{{{number}}}'")

        def letter_of(name: str) -> str:
            return letter.format(*letters.of(name))

        by_range = _told("password", list(_ranges({name: (letter_of(name), users) for name, users in told.items()})))
        unsalted = " ".join(f"WHEN {condition} THEN {letter_of(name)}" for condition, name in UNSALTED)
        # A head with a line break in it is of no algorithm, or has no cost; a space is as wrong there.
        otherwise = f"{self.numbered(str)} || ' ' || replace({head('sqlite')}, char(10), ' ')"
        each = f"coalesce({by_range}, CASE {unsalted} END, char(10) || {otherwise} || char(10))"
        among = f"WHERE {_PLACE} BETWEEN :first AND :last" if places else ""
        return f"SELECT group_concat({each}, '') AS letters FROM {quoted(self.table)} {among}"


class _Letters:
    """A letter for each of these heads and each number; those seen most get what Python counts fastest."""

    def __init__(self, heads: Sequence[str], numbers: int, seen: Counter[Kind]) -> None:
        kinds = [(name, number) for name in dict.fromkeys(heads) for number in range(numbers)]
        kinds.sort(key=lambda kind: -seen[kind])
        self._numbers = range(numbers)
        self._letters = dict(zip(kinds, _ALPHABET, strict=False))
        self._kinds = {letter: kind for kind, letter in self._letters.items()}

    def of(self, name: str) -> list[str]:
        """Give those of a head, one for each number."""
        return [self._letters[name, number] for number in self._numbers]

    def count(self, text: str) -> Counter[Kind]:
        """Count what a text is made of: letters, and between breaks numbers with the heads that have none."""
        pieces = text.split(_BREAK)
        kinds = Counter({self._kinds[letter]: users for letter, users in Counter("".join(pieces[::2])).items()})
        for piece, users in Counter(pieces[1::2]).items():
            number, _, name = piece.partition(" ")
            kinds[name, int(number)] += users
        return kinds


class _Plan(NamedTuple):
    """How a table's users are counted: what all connections ask, and for which parts, one after another."""

    statement: str
    letters: _Letters
    parts: Iterator[Mapping[str, int]]


def _parts(places: _Part | None) -> Iterator[Mapping[str, int]]:
    """Give parts whose texts stay short, as the parameters of their statement."""
    if places is None:
        yield {}
        return
    users = places.last - places.first + 1
    step = max(min(_IN_A_TEXT, math.ceil(users / _AT_ONCE)), math.ceil(users / _MOST_TEXTS))
    for first in range(places.first, places.last + 1, step):
        yield {"first": first, "last": min(first + step - 1, places.last)}


def _ranges(found: Mapping[str, tuple[str, int]]) -> Iterator[_Range]:
    """Give all ranges in their order, of what is no head the gaps in between."""
    spans = sorted((*span, sql, users) for name, (sql, users) in found.items() for span in spans_of(name))
    before = ""
    for start, end, sql, users in spans:
        if start != before:
            yield _Range(f"'{start}'", "NULL", 0)
        yield _Range(f"'{end}'", sql, users)
        before = end
    yield _Range(None, "NULL", 0)


def _told(column: str, ranges: Sequence[_Range]) -> str:
    """Give the SQL that finds a value's range in few comparisons, least for those with most users."""
    if len(ranges) == 1:
        return ranges[0].sql
    weights = [each.users + 1 for each in ranges]
    middle = min(range(1, len(ranges)), key=lambda place: abs(sum(weights[:place]) - sum(weights[place:])))
    lower, higher = _told(column, ranges[:middle]), _told(column, ranges[middle:])
    return f"CASE WHEN {column} < {ranges[middle - 1].end} THEN {lower} ELSE {higher} END"
